/** Whether what the model gets, and what it answers, is what it has learned from. */

import { distribution, moment, table, timeline } from "./charts.js";
import { count, grouped, make, percent } from "./dom.js";
import { behind, empty, HALF, heading, say, section, short, swapsIn } from "./part.js";

const SHOWN_FEATURES = 12;
const QUIET = "No row was answered in this time: send some with POST /predict, or drop a file on the other tab.";
const GETS = "The bars are the rows answered in this time, the line those of training. PSI says how far they are apart: above its critical value, by more than chance.";
const ANSWERS = "The bars are the answers of this time, the line those of training.";
const VERDICTS = {
  unknown: "nothing to compare with",
  "not counted": "not counted: PREDICTION_DROP or PREDICTION_HASH hides it, or the model does not look at it",
  "too few": "too few rows to say",
  none: "no drift",
  "within noise": "no more than chance",
  slight: "drifted slightly",
  drifted: "drifted",
  "drifted much": "drifted much",
};
const DRIFTED = ["slight", "drifted", "drifted much"];

/** From the most surprising feature on. */
const surprise = ({ psi, critical }) => (psi === null || !critical ? -1 : psi / critical);

export class Features {
  constructor() {
    this.needs = ["inputs"];
    this.all = false;
    this.empty = empty();
    this.verdict = make("p", { class: "words" });
    this.list = make("ul", { class: "drifts" });
    this.more = make("button", { type: "button", class: "quiet", hidden: true });
    this.more.addEventListener("click", () => {
      this.all = true;
      this.draw();
      this.list.children[SHOWN_FEATURES].focus();
    });
    this.numbers = behind("The figures of all features");
    this.drawn = make("div", {}, this.verdict, this.list, this.more, this.numbers.element);
    this.element = section("inputs", "What it gets", GETS, this.empty, this.drawn);
  }

  show({ inputs }) {
    say(this.empty, inputs.rows ? "" : QUIET);
    this.drawn.hidden = !inputs.rows;
    if (!inputs.rows) return;
    this.features = inputs.features.toSorted((a, b) => surprise(b) - surprise(a));
    const drifted = this.features.filter(({ verdict }) => DRIFTED.includes(verdict));
    const names = drifted.slice(0, 5).map(({ name }) => name).join(", ");
    const few = this.features.every(({ verdict }) => verdict === "too few" || verdict === "not counted");
    const found = drifted.length ? `${drifted.length} of ${count(this.features.length, "feature")} drifted: ${names}${drifted.length > 5 ? " and more" : ""}.` : few ? "Too few rows were answered to say." : "No feature has drifted by more than chance.";
    this.verdict.textContent = inputs.note || `${found} By ${count(inputs.rows, "counted row")} of version ${short(inputs.version)}.`;
    this.draw();
  }

  draw() {
    const shown = this.all ? this.features : this.features.slice(0, SHOWN_FEATURES);
    replace(this.list, shown.map(feature));
    this.more.hidden = shown.length === this.features.length;
    this.more.textContent = `Show all ${this.features.length} features`;
    const names = ["Feature", "Rows", "Missing", "Out of range", "Unknown", "PSI", "Critical value", "Verdict"];
    const rows = this.features.map((each) => [each.name, grouped(each.rows), ...[each.missing_share, each.outside_share, each.unknown_share].map(share), number(each.psi), number(each.critical), VERDICTS[each.verdict]]);
    this.numbers.place.replaceChildren(table("Drift of all features", names, rows));
  }
}

/** Put these in the place of the children, and leave the focus where it was. */
function replace(list, children) {
  const focused = [...list.children].indexOf(document.activeElement);
  list.replaceChildren(...children);
  children[focused]?.focus({ preventScroll: true });
}

const number = (value) => (value === null ? "–" : value.toFixed(3));
const share = (each) => (each ? percent(each.share) : "–");

function feature({ name, psi, critical, verdict, missing_share: missing, outside_share: outside, unknown_share: unknown, bins }) {
  const facts = [psi === null ? "" : `PSI ${number(psi)}, critical value ${number(critical)}`];
  for (const [each, word] of [[missing, "missing"], [outside, "out of range"], [unknown, "unknown"]]) {
    if (each?.count) facts.push(`${percent(each.share)} ${word}${each.trained === null ? "" : ` (in training ${percent(each.trained)})`}`);
  }
  const names = bins.map((bin) => bin.label);
  const sum = bins.reduce((total, bin) => total + bin.count, 0);
  const live = bins.map((bin) => bin.count / (sum || 1));
  const trained = bins.every((bin) => bin.trained !== null) ? bins.map((bin) => bin.trained) : null;
  const head = make("div", { class: "top" }, make("strong", {}, name), make("span", { class: DRIFTED.includes(verdict) ? "note" : "small" }, VERDICTS[verdict]));
  const label = `${name}: ${names.map((bin, i) => `${bin} ${percent(live[i])}${trained ? `, in training ${percent(trained[i])}` : ""}`).join("; ")}`;
  const chart = bins.length ? [distribution({ names, live, trained, tell: percent, label })] : [];
  return make("li", { tabindex: "-1" }, head, ...chart, make("p", { class: "small" }, facts.filter(Boolean).join(" · ")));
}

export class Outputs {
  constructor(model) {
    this.model = model;
    this.needs = ["outputs", "predictions", "models"];
    this.empty = empty();
    this.note = empty();
    this.place = make("ul", { class: "drifts" });
    this.numbers = behind("The figures of the answers");
    this.chart = make("div");
    this.points = behind("The figures of the chart of rows");
    this.drawn = make("div", {}, this.note, this.place, this.numbers.element, heading("Rows answered over time"), this.chart, this.points.element);
    this.element = section("outputs", "What it answers", ANSWERS, this.empty, this.drawn);
  }

  show({ outputs, predictions, models }, times) {
    say(this.empty, predictions.answers ? "" : QUIET);
    this.drawn.hidden = !predictions.answers;
    if (!predictions.answers) return;
    const { answers, confidence, note } = outputs;
    say(this.note, note);
    this.place.hidden = this.numbers.element.hidden = !answers;
    if (answers) this.showLabels(answers, confidence);
    this.showRows(predictions, models, times);
  }

  showLabels(answers, confidence) {
    const drawn = feature({ ...answers, name: this.model().target || "Answers" });
    if (confidence !== null) drawn.append(make("p", { class: "small" }, `Mean probability of the answer ${percent(confidence)}`));
    replace(this.place, [drawn]);
    const sum = answers.bins.reduce((total, bin) => total + bin.count, 0);
    const rows = answers.bins.map((bin) => [bin.label, grouped(bin.count), percent(bin.count / sum), bin.trained === null ? "–" : percent(bin.trained)]);
    this.numbers.place.replaceChildren(table("Answers", ["Answer", "Rows", "Share", "In training"], rows));
  }

  /** How many rows were answered, a line for each version. */
  showRows({ series, answers, window }, models, times) {
    const versions = [...new Set(series.map(({ version }) => version))];
    const points = series.map((each) => {
      const from = Date.parse(each.at);
      return { ...each, from, at: from + HALF[window.by], value: each.answers, title: `${moment(from, times)}: ${count(each.answers, "row")} by ${short(each.version)}` };
    });
    this.chart.replaceChildren(
      timeline({
        width: this.chart.clientWidth,
        times,
        range: [0, Math.max(2, ...points.map(({ value }) => value))],
        tell: grouped,
        series: versions.map((version, i) => ({ kind: `series-${i % 2}`, points: points.filter((each) => each.version === version) })),
        marks: swapsIn(models, times),
        label: `Rows answered over time: ${grouped(answers)} by ${count(versions.length, "version")}.`,
      })
    );
    const rows = points.map((each) => [moment(each.from, times), short(each.version), grouped(each.answers), grouped(each.selected)]);
    this.points.place.replaceChildren(table("Rows answered over time", ["From", "Version", "Rows", "Told"], rows));
  }
}
