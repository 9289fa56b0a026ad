/** What the service did: the versions that it served, how long its answers took, its tasks. */

import { table } from "./charts.js";
import { format, grouped, make } from "./dom.js";
import { empty, figures, heading, say, scroll, section, short } from "./part.js";

const INTRO = "The versions that served in this time, how long requests took since the service was started, and its tasks.";
const STATES = { active: "serves", before: "served before", kept: "kept", removed: "removed" };
const ENDS = { PENDING: "Waiting", STARTED: "Running", SUCCESS: "Done", FAILURE: "Failed", REVOKED: "Cancelled" };
// What the page itself asks for says nothing about the model.
const OWN = /^\/(content|static|metadata|metrics|model|ready|health)\b|^\/$/;

const time = (milliseconds) => `${format(Number(milliseconds.toPrecision(2)))} ms`;
const day = (text) => (text ? new Date(text).toLocaleDateString("en-GB", { dateStyle: "medium" }) : "–");

export class Activity {
  constructor() {
    this.needs = ["latency", "models", "tasks"];
    this.empty = empty();
    this.models = scroll("Versions of the model");
    this.latency = scroll("Latency by route");
    this.unasked = make("p", { class: "small", hidden: true });
    this.tasks = make("dl", { class: "figures" });
    this.note = make("p", { class: "small", hidden: true });
    this.drawn = make("div", {}, heading("Versions"), this.models, heading("Latency"), this.unasked, this.latency, heading("Tasks"), this.note, this.tasks);
    this.element = section("activity", "What the service did", INTRO, this.empty, this.drawn);
  }

  show({ latency, models, tasks }) {
    const since = new Map(models.swaps.map(({ at, version }) => [version, at]));
    const versions = models.versions.map((each) => [short(each.version), STATES[each.state], each.release || "–", day(each.added), day(since.get(each.version)), grouped(each.answers), grouped(each.selected)]);
    this.models.replaceChildren(table("Versions", ["Version", "State", "Release", "Added", "Served from", "Rows answered", "Told"], versions));
    const asked = latency.milliseconds.filter(({ route }) => !OWN.test(route)).sort((a, b) => b.requests - a.requests);
    const routes = asked.map((each) => [each.route, grouped(each.requests), time(each.p50), time(each.p90), time(each.p99)]);
    say(this.unasked, routes.length ? "" : "The model has not been asked since the service was started.");
    this.latency.hidden = !routes.length;
    this.latency.replaceChildren(table("Latency", ["Route", "Requests", "Half below", "90 % below", "99 % below"], routes));
    say(this.note, tasks.note);
    this.tasks.hidden = Boolean(tasks.note);
    const states = { PENDING: 0, STARTED: 0, ...tasks.ended, ...tasks.states };
    const shown = Object.entries(states).map(([state, n]) => [ENDS[state] ?? state.toLowerCase(), grouped(n)]);
    this.tasks.replaceChildren(...figures({ ...Object.fromEntries(shown), "Rows answered": grouped(tasks.rows) }));
  }
}
