/** How right the model is in use: by version, over time, and which classes it takes for others. */

import { moment, table, timeline } from "./charts.js";
import { count, format, grouped, make, percent } from "./dom.js";
import { behind, empty, figures, HALF, heading, say, scroll, section, sentence, short, swapsIn } from "./part.js";
import { label } from "./service.js";

const NOBODY = "Nobody has told the truth of a prediction yet: choose under an answer, or send many with POST /feedback.";
const UNTOLD = "The truth of its answers cannot be told here: they are not one class or one number for each row.";
const INTRO = "By what people told of its predictions. Who tells is no random sample: the coverage says how many did.";
const VERDICTS = {
  worse: "The model is surely worse in use than its card says.",
  better: "The model is surely better in use than its card says.",
  "no difference seen": "No difference from its card beyond chance.",
  "too few": "Too few truths were told to compare it with its card.",
  unknown: "Its card has no interval to compare it with, so no difference is sure.",
  "no figure": "Its card has no figure to compare it with.",
};

export class Accuracy {
  constructor(model) {
    this.model = model;
    this.needs = ["accuracy", "models", "info"];
    this.empty = empty();
    this.verdict = make("p", { class: "words" });
    this.figures = make("dl", { class: "figures" });
    this.chart = make("div");
    this.days = behind("The figures of the chart of accuracy");
    this.versions = scroll("Accuracy by version");
    this.confusion = scroll("Predicted and true classes");
    this.confused = make("div", {}, heading("What it took for what"), this.confusion);
    this.drawn = make("div", {}, this.verdict, this.figures, heading("Over time"), this.chart, this.days.element, heading("By version"), this.versions, this.confused);
    this.element = section("accuracy", "How right it is", INTRO, this.empty, this.drawn);
  }

  show({ accuracy, models, info }, times) {
    // Another model, of numbers where this one has classes, has no figure of this metric.
    const told = accuracy.versions.filter((each) => each.selected && each[accuracy.metric] !== null);
    say(this.empty, told.length ? "" : sentence(info.note) || (isTellable(this.model()) ? NOBODY : UNTOLD));
    this.drawn.hidden = !told.length;
    if (!told.length) return;
    this.measure = accuracy.metric === "accuracy" ? SHARE : ERROR;
    const { name, value, tell } = this.measure;
    const serving = told.find(({ version }) => version === this.model().version);
    // The version that answered last comes first.
    const newest = serving ?? told[0];
    const { card } = accuracy;
    say(this.verdict, serving ? VERDICTS[value(card) === null ? "no figure" : serving.verdict] : `Nobody has told the truth of a prediction of the version that serves yet. These are of ${short(newest.version)}:`);
    this.figures.replaceChildren(
      ...figures({
        [`${name} in use`]: tell(value(newest)),
        "Its 95 % interval": between(newest, tell),
        ...(!serving || value(card) === null ? {} : { [`${name} of its card`]: tell(value(card)) }),
        Told: `${grouped(newest.selected)} of ${grouped(newest.answers)}`,
      })
    );
    this.showDays(accuracy, models, times);
    const names = ["Version", "Told", "Coverage", name, "95 % interval"];
    const rows = told.map((each) => [short(each.version), grouped(each.selected), percent(each.coverage ?? NaN), tell(value(each)), between(each, tell)]);
    this.versions.replaceChildren(table("Accuracy by version", names, rows));
    this.confused.hidden = !accuracy.confusion;
    if (accuracy.confusion) this.confusion.replaceChildren(matrix(accuracy.confusion));
  }

  /** A line for each version, the intervals of its points, and the card's interval behind. */
  showDays({ days, card, window }, models, times) {
    const { name, value, tell, range } = this.measure;
    const points = days.filter(({ selected }) => selected).map((each) => {
      const from = Date.parse(each.at);
      const title = `${moment(from, times)}: ${tell(value(each))} (${between(each, tell)}) of ${count(each.selected, "selection")}`;
      return { from, at: from + HALF[window.by], value: value(each), low: each.low, high: each.high, title, version: each.version, selected: each.selected };
    });
    const versions = [...new Set(points.map(({ version }) => version))];
    const ends = [...points, { value: value(card), low: card.low, high: card.high }].flatMap(({ value: middle, low, high }) => [middle, low, high]).filter(Number.isFinite);
    const [first, last] = [points[0], points.at(-1)];
    const change = points.length > 1 ? `${tell(first.value)} at first, ${tell(last.value)} at last` : tell(last.value);
    this.chart.replaceChildren(
      timeline({
        width: this.chart.clientWidth,
        times,
        range: range(ends),
        tell,
        series: versions.map((version, i) => ({ kind: `series-${i % 2}`, points: points.filter((each) => each.version === version) })),
        band: value(card) === null ? null : { value: value(card), low: card.low ?? value(card), high: card.high ?? value(card), name: `card ${tell(value(card))}` },
        marks: swapsIn(models, times),
        label: `${name} over time: ${change}.`,
      })
    );
    const rows = points.map((each) => [moment(each.from, times), short(each.version), grouped(each.selected), tell(each.value), between(each, tell)]);
    this.days.place.replaceChildren(table(`${name} over time`, ["From", "Version", "Told", name, "95 % interval"], rows));
  }
}

const isTellable = ({ classes, methods }) => methods.includes("predict") && !Array.isArray(classes?.[0]);

const between = ({ low, high }, tell) => (low === null ? "–" : `${tell(low).replace(/ %$/, "")} to ${tell(high).replace(" ", "\u00a0")}`);

const SHARE = {
  name: "Accuracy",
  value: ({ accuracy }) => accuracy,
  tell: percent,
  // From a round share on, so that intervals near 100 % can be told apart.
  range: (ends) => [Math.min(0.9, Math.floor(10 * Math.min(...ends)) / 10), 1],
};

const ERROR = {
  name: "Mean absolute error",
  value: ({ mean_absolute_error: error }) => error,
  tell: (error) => format(Number(error.toPrecision(3))),
  range: (ends) => [0, Math.max(...ends)],
};

/** Rows are what was predicted, columns what was told. */
function matrix({ labels, counts }) {
  const most = Math.max(...counts.flat(), 1);
  const names = labels.map((each) => (each === null ? "none of them" : label(each)));
  const cell = (n, right) => {
    const made = make("td", { class: right ? "right" : "wrong" }, n ? grouped(n) : "");
    made.style.setProperty("--share", n / most);
    return made;
  };
  const rows = counts.map((row, i) => make("tr", {}, make("th", { scope: "row" }, names[i]), ...row.map((n, j) => cell(n, i === j))));
  const head = ["Predicted, then told:", ...names].map((name) => make("th", { scope: "col" }, name));
  return make("table", { class: "matrix" }, make("caption", { class: "said" }, "How often each class was told for each prediction"), make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
}
