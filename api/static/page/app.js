/** The page: what the model is, and the parts that ask it. */

import { Answer } from "./answer.js";
import { $, count, draw, format, grouped, make, some } from "./dom.js";
import { initFile } from "./file.js";
import { Form, seen } from "./form.js";
import { Learning } from "./learning.js";
import { initLive } from "./live.js";
import { initRequest } from "./request.js";
import { Model } from "./service.js";
import { initTabs } from "./tabs.js";
import { initTasks } from "./tasks.js";
import { follow, redrawn } from "./version.js";

const SHOWN_LOST = 3;

function start(model) {
  $("main").hidden = false;
  let shown = show(model);
  shown.answer.ask();
  const takeFiles = initFile(model);
  initTasks();
  initLive();
  let learning = null;
  initTabs((name) => {
    if (name === "learning") learning ??= new Learning(() => shown.model);
    learning?.show(name === "learning");
  });
  follow(model.version, async (version) => {
    shown.answer.stop();
    const loaded = await Model.load().catch(() => null);
    if (loaded && loaded.version !== shown.model.version) {
      shown = replace(shown, loaded);
      takeFiles(loaded);
    } else {
      if (loaded) notify(`The version ${short(version)} of the model answers, too: two versions serve for a while.`);
      shown.answer.ask();
    }
    redrawn(shown.model.version);
  });
  $("notice-close").addEventListener("click", () => hideNotice(true));
  // On a small screen the answer is far below: it is repeated at the edge until one comes to it.
  const above = { rootMargin: "999999px 0px 0px" };
  new IntersectionObserver(([entry]) => ($("echo").hidden = entry.isIntersecting), above).observe($("verdict"));
}

/** Draw the model, its form and the answer to what stands in it. */
function show(model) {
  describe(model);
  const form = new Form(model, () => answer.soon());
  const answer = new Answer(model, form, initRequest(model));
  return { model, form, answer };
}

/** Draw the page for the version that serves now, and keep what was entered. */
function replace({ model: old, form }, model) {
  const held = form.held();
  const shown = show(model);
  const entered = form.entered();
  if (form.showsAll()) shown.form.showAll();
  const lost = entered ? shown.form.copy(form) : [];
  shown.form.hold(held);
  shown.answer.ask();
  const [fresh, gone] = [changes(old, model), changes(model, old)];
  notify(
    `The model was replaced by version ${short(model.version)} while this page was open.`,
    fresh.length ? `New: ${some(fresh, 5)}.` : "",
    gone.length ? `Gone: ${some(gone, 5)}.` : "",
    ...lost.slice(0, SHOWN_LOST).map(
      ([field, value]) => `${field.feature.name} is ${format(field.value)} now: this version does not know ${format(value)}.`
    ),
    entered ? `What ${lost.length ? "else " : ""}you entered is still there.` : ""
  );
  return shown;
}

/** The features of a model that another one lacks, or has with another type. */
function changes(old, model) {
  const types = new Map(old.features.map(({ name, type }) => [name, type]));
  const changed = model.features.filter(({ name, type }) => types.get(name) !== type);
  return changed.map(({ name, type }) => (types.has(name) ? `${name} (${type})` : name));
}

/** A note at the edge of the page, which stays in view until it is closed. */
function notify(title, ...more) {
  $("notice-title").textContent = title;
  $("notice-text").textContent = more.filter(Boolean).join(" ");
  hideNotice(false);
}

function hideNotice(hidden) {
  $("notice").hidden = hidden;
  document.documentElement.style.setProperty("--notice", `${$("notice").offsetHeight}px`);
}

const short = (version) => version.slice(0, 12);

/** A version with the time at which it was added. */
function dated({ version, added }) {
  const time = new Date(added);
  const options = { dateStyle: "long", timeStyle: "short", timeZone: "UTC" };
  const told = Number.isNaN(time.valueOf()) ? "" : `, added ${time.toLocaleString("en-GB", options)} UTC`;
  return [make("abbr", { title: version }, short(version)), told];
}

function describe(model) {
  const { added, before, card, target, version } = model;
  const title = target ? `Predict ${target}` : model.name;
  document.title = target ? `${model.name}: ${title}` : title;
  $("name").textContent = model.name;
  $("title").textContent = title;
  const flat = (model.classes ?? []).flat();
  const answers = flat.length ? ` It answers with one of ${flat.length} classes: ${some(flat)}.` : "";
  $("lede").textContent = `${model.model}, with ${model.features.length ? count(model.features.length, "feature") : "features of any name"}.${answers}`;
  $("advice").textContent = model.advice.join(" ");
  $("advice").hidden = !model.advice.length;
  $("version").hidden = !added;
  $("version").replaceChildren("Version ", ...dated(model), ...(before ? [". Before it: ", ...dated(before)] : []), ".");
  const scores = card.metrics && typeof card.metrics === "object" ? Object.entries(card.metrics) : [];
  $("scores").replaceChildren(...scores.map(([name, value]) => fact(name.replaceAll("_", " "), figure(value))));
  $("scores").hidden = !scores.length;
  const trained = new Date(card.created);
  const libraries = Object.entries(card.versions ?? model.versions).map((pair) => pair.join(" "));
  const facts = [
    ["Version", make("abbr", { title: version }, short(version))],
    ["Kind", model.model],
    ["Target", target],
    ["Classes", some(flat)],
    ["Trained", Number.isNaN(trained.valueOf()) ? "" : trained.toLocaleDateString("en-GB", { dateStyle: "long", timeZone: "UTC" })],
    ["Trained with", card.versions ? libraries.join(", ") : ""],
    ["Serves with", Object.entries(model.versions).map((pair) => pair.join(" ")).join(", ")],
    ["Methods", some(model.methods)],
  ];
  $("facts").replaceChildren(...facts.filter(([, value]) => value).map(([name, value]) => fact(name, value)));
  $("footer").textContent = `${model.name} ${short(version)}`;
  $("features").replaceChildren(...model.features.map(row));
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
