/** The page: what the model is, and the parts that ask it. */

import { Answer } from "./answer.js";
import { $, count, draw, format, grouped, make, some } from "./dom.js";
import { initFile } from "./file.js";
import { Form, seen } from "./form.js";
import { initLive } from "./live.js";
import { initRequest } from "./request.js";
import { Model } from "./service.js";

function start(model) {
  describe(model);
  $("main").hidden = false;
  const form = new Form(model, () => answer.soon());
  const answer = new Answer(model, form, initRequest(model));
  answer.ask();
  initFile(model);
  initLive();
  // On a small screen the answer is far below: it is repeated at the edge until one comes to it.
  const above = { rootMargin: "999999px 0px 0px" };
  new IntersectionObserver(([entry]) => ($("echo").hidden = entry.isIntersecting), above).observe($("verdict"));
}

function describe(model) {
  const { card, target, version } = model;
  const title = target ? `Predict ${target}` : model.name;
  document.title = target ? `${model.name}: ${title}` : title;
  $("name").textContent = model.name;
  $("title").textContent = title;
  const flat = (model.classes ?? []).flat();
  const answers = flat.length ? ` It answers with one of ${flat.length} classes: ${some(flat)}.` : "";
  $("lede").textContent = `${model.model}, with ${model.features.length ? count(model.features.length, "feature") : "features of any name"}.${answers}`;
  $("advice").textContent = model.advice.join(" ");
  $("advice").hidden = !model.advice.length;
  const scores = card.metrics && typeof card.metrics === "object" ? Object.entries(card.metrics) : [];
  for (const [name, value] of scores) {
    $("scores").append(fact(name.replaceAll("_", " "), figure(value)));
  }
  $("scores").hidden = !scores.length;
  const trained = new Date(card.created);
  const libraries = Object.entries(card.versions ?? model.versions).map((pair) => pair.join(" "));
  const facts = [
    ["Version", make("abbr", { title: version }, version.slice(0, 12))],
    ["Kind", model.model],
    ["Target", target],
    ["Classes", some(flat)],
    ["Trained", Number.isNaN(trained.valueOf()) ? "" : trained.toLocaleDateString("en-GB", { dateStyle: "long", timeZone: "UTC" })],
    ["Trained with", card.versions ? libraries.join(", ") : ""],
    ["Serves with", Object.entries(model.versions).map((pair) => pair.join(" ")).join(", ")],
    ["Methods", some(model.methods)],
  ];
  $("facts").append(...facts.filter(([, value]) => value).map(([name, value]) => fact(name, value)));
  $("footer").textContent = `${model.name} ${version.slice(0, 12)}`;
  $("features").append(...model.features.map(row));
}

/** A metric: a share or a loss with three digits, a count as it is. JSON does not tell 1 from 1.0. */
function figure(value) {
  if (typeof value !== "number") return format(value);
  if (Math.abs(value) <= 1) return value.toFixed(3).replace("-", "−");
  return Number.isInteger(value) ? grouped(value) : format(Number(value.toPrecision(4)));
}

const fact = (name, value) => make("div", {}, make("dt", {}, name), make("dd", {}, value));

function row(feature) {
  const { missing, seen: facts } = feature;
  const kind = feature.type === "unused" ? "any, not used" : feature.type;
  const taken = missing ? "accepted" : "refused";
  const rate = facts.missing > 0 ? `, ${grouped(facts.missing)} in training` : "";
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, feature.name),
    make("td", {}, kind),
    make("td", { class: "seen" }, make("span", {}, seen(feature)), ...box(facts)),
    make("td", {}, taken + rate)
  );
}

/** The range, the middle half and the median of a number, drawn to scale. */
function box({ min, max, quartile_1: low, median, quartile_3: high }) {
  if (![min, max, low, median, high].every(Number.isFinite) || !(min < max)) return [];
  const at = (value) => 1 + (118 * (value - min)) / (max - min);
  const svg = draw(
    "svg",
    { class: "box", viewBox: "0 0 120 12", role: "img", "aria-label": `half of them from ${format(low)} to ${format(high)}, median ${format(median)}` },
    draw("path", { class: "whole", d: "M1,6 H119" }),
    draw("rect", { x: at(low), y: 2, width: Math.max(1, at(high) - at(low)), height: 8, rx: 2 }),
    draw("path", { class: "median", d: `M${at(median)},1 V11` })
  );
  return [svg];
}

const model = await Model.load().catch((error) => {
  $("problem").textContent = `The model cannot be shown: ${error.message}`;
  $("problem").hidden = false;
});
if (model) start(model);
