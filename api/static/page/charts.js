/** Small charts as SVG, in the pixels of the place that they are drawn in. */

import { clamp, draw, make } from "./dom.js";

const HEIGHT = 190;
const MIN_WIDTH = 240;
const [LEFT, RIGHT, TOP, BOTTOM] = [52, 12, 22, 24];
// The width of a letter in a chart, at most.
const CHARACTER = 7.5;
// Of more bins, only the first and the last one are named below the chart.
const FEW_BINS = 4;
const DAY = 86_400_000;

const date = (at) => new Date(at).toLocaleDateString("en-GB", { day: "numeric", month: "short" });
const hour = (at) => new Date(at).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });

/** A time for a person: with the hour where the window is short. */
export const moment = (at, [from, until]) => (until - from > 3 * DAY ? date(at) : `${date(at)} ${hour(at)}`);

/** Values over time.
 *
 *  `series` are lists of points {at, value, low, high, title} with a class; `band` is a value to compare
 *  with, its interval and its name; `marks` are moments with a name. Times are in milliseconds.
 */
export function timeline({ width: place, times, range, tell, series, band, marks, label }) {
  const width = Math.max(place, MIN_WIDTH);
  const [from, until] = times;
  const [low, high] = range;
  const x = (at) => LEFT + clamp((at - from) / (until - from || 1)) * (width - LEFT - RIGHT);
  const y = (value) => TOP + (1 - clamp((value - low) / (high - low || 1))) * (HEIGHT - TOP - BOTTOM);
  const text = (attributes, words) => draw("text", attributes, words);
  const parts = [low, (low + high) / 2, high].flatMap((value) => [
    draw("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }),
    text({ x: LEFT - 8, y: y(value) + 4, class: "end" }, tell(value).replace(".0 %", " %")),
  ]);
  const ends = width < 420 ? [from, until] : [from, (from + until) / 2, until];
  ends.forEach((at, i) => {
    const side = i === 0 ? "start" : i === ends.length - 1 ? "end" : "middle";
    parts.push(text({ x: x(at), y: HEIGHT - 6, class: side }, i === ends.length - 1 ? "now" : moment(at, times)));
  });
  if (band) parts.push(...banded(band, width, y));
  parts.push(...named(marks, x, width));
  for (const { points, kind } of series) parts.push(...line(points, kind, x, y));
  return draw("svg", { class: "chart", viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": label }, ...parts);
}

/** Dashed lines with the names of those that have room for it; all of them have a title. */
function named(marks, x, width) {
  let free = 0;
  return marks.flatMap(({ at, name }) => {
    const right = x(at) > width / 2;
    const start = right ? x(at) - 4 - CHARACTER * name.length : x(at) + 4;
    const mark = draw("line", { class: "mark", x1: x(at), x2: x(at), y1: TOP - 6, y2: HEIGHT - BOTTOM }, draw("title", {}, name));
    if (start < free) return [mark];
    free = start + CHARACTER * (name.length + 1);
    return [mark, draw("text", { x: x(at) + (right ? -4 : 4), y: 12, class: right ? "end" : "start" }, name)];
  });
}

function banded({ value, low, high, name }, width, y) {
  const [x1, x2] = [LEFT, width - RIGHT];
  return [
    draw("rect", { class: "band", x: x1, width: x2 - x1, y: y(high), height: Math.max(0, y(low) - y(high)) }),
    draw("line", { class: "level", x1, x2, y1: y(value), y2: y(value) }),
    draw("text", { x: x1 + 6, y: Math.min(y(low), HEIGHT - BOTTOM - 18) + 14 }, name),
  ];
}

function line(points, kind, x, y) {
  const places = points.map(({ at, value }) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`);
  const whiskers = points.filter(({ low }) => Number.isFinite(low)).map(({ at, low, high }) =>
    draw("line", { class: `whisker ${kind}`, x1: x(at), x2: x(at), y1: y(low), y2: y(high) })
  );
  const dots = points.map(({ at, value, title }) =>
    draw("circle", { class: `point ${kind}`, cx: x(at), cy: y(value), r: 3.5 }, draw("title", {}, title))
  );
  return [draw("polyline", { class: `path ${kind}`, points: places.join(" ") }), ...whiskers, ...dots];
}

/** Live shares as bars, one for each bin, and those of training as a line, where they are known. */
export function distribution({ names, live, trained, label, tell }) {
  const [width, height] = [320, 72];
  const most = Math.max(...live, ...(trained ?? [])) || 1;
  const step = width / names.length;
  const top = (share) => height - (share / most) * (height - 2);
  const bars = names.map((name, i) => {
    const title = `${name}: ${tell(live[i])}${trained ? `, in training ${tell(trained[i])}` : ""}`;
    const place = { x: i * step + 1, width: Math.max(step - 2, 1), y: top(live[i]), height: height - top(live[i]) };
    return draw("rect", { class: "live", ...place }, draw("title", {}, title));
  });
  const path = trained?.map((share, i) => `${i ? "L" : "M"}${i * step},${top(share)} H${(i + 1) * step}`).join(" ");
  const line = path ? [draw("path", { class: "trained", d: path })] : [];
  const svg = draw("svg", { class: "distribution", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label }, ...bars, ...line);
  const few = names.length <= FEW_BINS;
  const ends = few ? names : [names[0], names.at(-1)];
  return make("div", {}, svg, make("div", { class: `ends small ${few ? "each" : ""}` }, ...ends.map((name) => make("span", {}, name))));
}

/** A table with headings; `rows` are lists of texts, the first of which is the heading of its row. */
export function table(caption, names, rows) {
  const head = names.map((name) => make("th", { scope: "col" }, name));
  const body = rows.map(([first, ...rest]) =>
    make("tr", {}, make("th", { scope: "row" }, first), ...rest.map((cell) => make("td", {}, cell)))
  );
  return make("table", {}, make("caption", { class: "said" }, caption), make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body));
}
