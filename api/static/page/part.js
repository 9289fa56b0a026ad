/** What the parts of the tab of learning are made of. */

import { make } from "./dom.js";

// A point stands in the middle of its hour or day, in milliseconds.
export const HALF = { hour: 1_800_000, day: 43_200_000 };

export const short = (version) => version.slice(0, 12);

/** A section with its heading, an intro, and these elements below. */
export function section(id, title, intro, ...elements) {
  const named = make("h2", { id: `${id}-title` }, title);
  const inner = make("div", { class: "wide" }, named, make("p", { class: "intro" }, intro), ...elements);
  return make("section", { "aria-labelledby": `${id}-title` }, inner);
}

/** Words of the service as a sentence; empty where there are none. */
export const sentence = (words) => (words ? `${words[0].toUpperCase()}${words.slice(1)}.` : "");

export const heading = (text) => make("h3", { class: "over" }, text);

/** A place that scrolls, also by the keyboard. */
export const scroll = (title) => make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title });

/** A sentence that stands where there is nothing to draw. */
export const empty = () => make("p", { class: "words", hidden: true });

export function say(element, text) {
  element.textContent = text;
  element.hidden = !text;
}

/** A place that is opened by whoever wants the numbers behind a chart. */
export function behind(title) {
  const place = scroll(title);
  return { place, element: make("details", {}, make("summary", {}, title), place) };
}

/** Figures with their names. */
export const figures = (facts) =>
  Object.entries(facts).map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)));

/** The moments within a window at which another version began to serve, in milliseconds. */
export const swapsIn = ({ swaps }, [from]) =>
  swaps.map(({ at, version }) => ({ at: Date.parse(at), name: short(version) })).filter(({ at }) => at > from);
