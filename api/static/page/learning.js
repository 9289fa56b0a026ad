/** The tab of learning: how right the model is in use, and whether its inputs are what it has learned from. */

import { Accuracy } from "./accuracy.js";
import { Activity } from "./activity.js";
import { $, make } from "./dom.js";
import { Features, Outputs } from "./drift.js";
import { say } from "./part.js";
import { ask } from "./service.js";

const EVERY = 10_000;
const HOUR = 3_600_000;
// The window in hours, and the length of a point on its axis of time.
const WINDOWS = [
  ["Last 24 hours", 24, "hour"],
  ["Last 7 days", 168, "day"],
  ["Last 30 days", 720, "day"],
];

export class Learning {
  constructor(model) {
    this.model = model;
    this.sections = [new Accuracy(model), new Features(), new Outputs(model), new Activity()];
    this.names = [...new Set(this.sections.flatMap(({ needs }) => needs))];
    this.turn = 0;
    this.shown = false;
    this.window = make("select", { id: "window" }, ...WINDOWS.map(([name], i) => make("option", { value: i }, name)));
    this.window.value = WINDOWS.length - 1;
    this.problem = make("p", { class: "problem", role: "alert", hidden: true });
    const chosen = make("p", {}, make("label", { class: "small", for: "window" }, "Window "), this.window);
    $("learning").replaceChildren(make("div", { class: "wide window" }, chosen, this.problem), ...this.sections.map(({ element }) => element));
    this.window.addEventListener("change", () => this.load());
    document.addEventListener("visibilitychange", () => this.load());
    window.addEventListener("resize", () => this.shown && this.draw());
  }

  /** Load nothing before the tab is open, and nothing more once it is not. */
  show(shown) {
    this.shown = shown;
    this.load();
  }

  async load() {
    clearTimeout(this.timer);
    if (!this.shown || document.hidden) return;
    const turn = ++this.turn;
    const [, hours, by] = WINDOWS[this.window.value];
    const answers = await Promise.all(this.names.map((name) => ask(`content/${name}?hours=${hours}&by=${by}`)));
    if (turn !== this.turn || !this.shown) return;
    const wrong = answers.every(({ status }) => status !== 200) ? answers[0] : null;
    this.problem.hidden = !wrong;
    this.problem.textContent = wrong ? `These figures cannot be shown: ${reason(wrong)}` : "";
    if (!wrong) {
      const now = Date.now();
      this.times = [now - hours * HOUR, now];
      this.found = new Map(this.names.map((name, i) => [name, answers[i]]));
      this.draw();
    }
    // Whoever was asked for a key and gave none is not asked again.
    if (wrong?.status !== 401) this.timer = setTimeout(() => this.load(), EVERY);
  }

  /** Draw each part, or say why the service does not answer what it needs. */
  draw() {
    if (!this.found) return;
    const width = $("learning").clientWidth;
    for (const part of this.sections) {
      const wrong = part.needs.map((name) => this.found.get(name)).find(({ status }) => status !== 200);
      part.drawn.hidden = Boolean(wrong);
      if (wrong) {
        say(part.empty, reason(wrong));
        part.drawnOf = "";
        continue;
      }
      const found = Object.fromEntries(part.needs.map((name) => [name, this.found.get(name).answer]));
      // What has not changed is left as it is, with whatever somebody has marked in it.
      const of = JSON.stringify([found, this.model().version, width, Math.floor(this.times[1] / HOUR)]);
      if (of === part.drawnOf) continue;
      part.drawnOf = of;
      part.show(found, this.times);
    }
  }
}

const reason = ({ status, answer }) => answer.detail ?? `The service answered with status ${status}.`;
