/** Elements, made so that what comes from the model only ever goes in as text. */

const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

/** An element with attributes and children; text children stay text. */
export function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "boolean") element.toggleAttribute(name, value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** A bar whose length is a share of its place, from 0 to 1. */
export function bar(share, start = 0) {
  const element = make("span", { class: "bar" });
  setBar(element, share, start);
  return element;
}

export function setBar(element, share, start = 0) {
  element.style.setProperty("--share", clamp(share));
  element.style.setProperty("--start", clamp(start));
}

export const clamp = (share) => Math.min(1, Math.max(0, Number.isFinite(share) ? share : 0));

const plain = new Intl.NumberFormat("en", { maximumSignificantDigits: 5, useGrouping: "min2" });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** A number for a person. */
export function format(number) {
  if (typeof number !== "number") return number === null ? "missing" : String(number);
  if (number !== 0 && (Math.abs(number) >= 1e9 || Math.abs(number) < 1e-4)) {
    return Number.isFinite(number) ? number.toExponential(2).replace("-", "−") : String(number);
  }
  return plain.format(number).replace("-", "−");
}

export const count = (number, noun) => `${whole.format(number)} ${noun}${number === 1 ? "" : "s"}`;

export const grouped = (number) => whole.format(number);

export function percent(share) {
  if (!Number.isFinite(share)) return "–";
  if (share > 0 && share < 0.0005) return "< 0.1 %";
  if (share < 1 && share > 0.9995) return "> 99.9 %";
  return `${(100 * share).toFixed(share === 0 || share === 1 ? 0 : 1)} %`;
}

const UNITS = ["bytes", "kB", "MB", "GB", "TB"];

/** A number of bytes for a person. */
export function size(bytes) {
  const power = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log10(bytes || 1) / 3)));
  return `${format(Number((bytes / 1000 ** power).toPrecision(3)))} ${UNITS[power]}`;
}

/** A number of seconds for a person. */
export function duration(seconds) {
  if (seconds < 1) return "less than a second";
  if (seconds < 90) return count(Math.round(seconds), "second");
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return count(minutes, "minute");
  return `${count(Math.floor(minutes / 60), "hour")} ${count(minutes % 60, "minute")}`;
}

/** Some of many, in words. */
export function some(names, most = 12) {
  const more = names.length - most;
  return names.slice(0, most).map(String).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
