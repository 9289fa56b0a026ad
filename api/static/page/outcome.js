/** The outcome of a run: the rows that fail, how predictions are distributed, and how true they are. */

import { $, bar, count, draw, format, grouped, make, percent } from "./dom.js";
import { label, numbers } from "./service.js";

const SHOWN_FAILURES = 100;
const SHOWN_BARS = 12;
const BINS = 24;

export function showFailures({ table: { failures, rows } }) {
  const all = [...failures].sort(([a], [b]) => a - b);
  $("failed").hidden = !all.length;
  $("failed-title").textContent = `${count(all.length, "row")} that ${all.length === 1 ? "fails" : "fail"}`;
  $("failures").replaceChildren(
    ...all.slice(0, SHOWN_FAILURES).map(([i, reason]) => make("tr", {}, make("td", {}, grouped(rows[i].line)), make("td", {}, reason)))
  );
  const more = all.length - SHOWN_FAILURES;
  $("failed-note").textContent = more > 0 ? `and ${grouped(more)} more. The download has all of them.` : "";
}

export function showDistribution({ predictions, model, table }) {
  const answered = predictions.filter((prediction) => prediction !== undefined);
  // Of several outputs, the first.
  const values = answered.map((prediction) => [prediction].flat(Infinity)[0]);
  const figures = model.classes ? [] : numbers(values).filter(Number.isFinite);
  $("distribution").replaceChildren(figures.length ? histogram(figures) : tally(values));
  $("agreement").textContent = agreement(predictions, model, table);
}

function tally(values) {
  const counts = new Map();
  for (const value of values) counts.set(label(value), (counts.get(label(value)) ?? 0) + 1);
  const all = [...counts].sort((a, b) => b[1] - a[1]);
  const most = all[0]?.[1] ?? 1;
  const rows = all.slice(0, SHOWN_BARS).map(([name, n]) =>
    make("li", {}, make("span", {}, name), make("span", { class: "value" }, `${grouped(n)} · ${percent(n / values.length)}`), bar(n / most))
  );
  const more = all.length - rows.length;
  if (more > 0) rows.push(make("li", {}, `and ${more} more`));
  return make("ul", { class: "shares counts" }, ...rows);
}

function histogram(values) {
  const low = values.reduce((a, b) => Math.min(a, b));
  const high = values.reduce((a, b) => Math.max(a, b));
  const bins = new Array(low < high ? BINS : 1).fill(0);
  for (const value of values) bins[Math.min(bins.length - 1, Math.floor(((value - low) / (high - low || 1)) * bins.length))]++;
  const most = Math.max(...bins);
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const width = 480 / bins.length;
  const svg = draw(
    "svg",
    { class: "histogram", viewBox: "0 0 480 140", role: "img", "aria-label": `From ${format(low)} to ${format(high)}, mean ${format(mean)}` },
    ...bins.map((n, i) => draw("rect", { x: i * width + 1, y: 140 - (138 * n) / most, width: width - 2, height: (138 * n) / most, rx: 1 }))
  );
  const ends = [format(low), `mean ${format(mean)}`, format(high)].map((text) => make("span", {}, text));
  return make("div", {}, svg, make("div", { class: "ends small" }, ...ends));
}

/** How the predictions compare with the truth, if the file has it. */
function agreement(predictions, model, { header, rows, failures }) {
  const column = model.target ? header.indexOf(model.target) : -1;
  if (column < 0 || model.features.some(({ name }) => name === model.target)) return "";
  const pairs = [];
  predictions.forEach((prediction, i) => {
    const truth = rows[i].cells[column];
    if (!failures.has(i) && truth !== "") pairs.push([prediction, truth]);
  });
  if (!pairs.length) return "";
  if (model.classes) {
    const right = pairs.filter(([prediction, truth]) => label(prediction) === truth).length;
    return `${grouped(right)} of ${grouped(pairs.length)} (${percent(right / pairs.length)}) are what the column “${model.target}” says.`;
  }
  const errors = pairs.map(([prediction, truth]) => Math.abs(prediction - Number(truth))).filter(Number.isFinite);
  if (!errors.length) return "";
  const mean = errors.reduce((a, b) => a + b, 0) / errors.length;
  return `On average ${format(mean)} away from the column “${model.target}”.`;
}
