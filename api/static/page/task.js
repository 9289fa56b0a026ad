/** One task: its file is sent, its state is followed until it ends, and its results are offered. */

import { $, count, duration, grouped, make, percent, size } from "./dom.js";
import { resultsOf } from "./results.js";
import { ask, Refusal, steps } from "./service.js";
import { upload } from "./upload.js";

const STATES = {
  SENDING: "Sending",
  UNSENT: "Not sent",
  ASKING: "",
  PENDING: "Waiting",
  STARTED: "Running",
  SUCCESS: "Done",
  FAILURE: "Failed",
  REVOKED: "Cancelled",
  EXPIRED: "Expired",
};
const ENDED = ["UNSENT", "SUCCESS", "FAILURE", "REVOKED", "EXPIRED"];
// Nobody looks at a hidden tab.
const HIDDEN_SECONDS = 30;
const SHOWN_FAULTS = 10;

/** A task in the list; `changed` is called when it gets its id, and when it is removed. */
export class Task {
  constructor({ id = "", name, time = Date.now() }, changed) {
    Object.assign(this, { id, name, time, changed, state: "ASKING", turn: 0 });
    this.draw();
  }

  get ended() {
    return ENDED.includes(this.state);
  }

  /** Whether a question about it is due later. */
  get waits() {
    return Boolean(this.timer);
  }

  draw() {
    const button = (text, act, options = {}) => {
      const made = make("button", { type: "button", class: "quiet", ...options }, text, make("span", { class: "said" }, ` ${this.name}`));
      made.addEventListener("click", act);
      return made;
    };
    this.title = make("strong", { tabindex: "-1" }, this.name);
    this.word = make("span", { class: "small" });
    this.cancelButton = button("Cancel", () => this.cancel());
    this.againButton = button("Try again", () => this.send(), { hidden: true });
    this.removeButton = button("Remove", () => this.remove(), { hidden: true });
    this.bar = make("progress", { max: "1", value: "0", "aria-label": `Progress of ${this.name}` });
    this.text = make("p", { class: "small" });
    this.faults = make("ul", { class: "faults" });
    const buttons = make("div", { class: "buttons" }, this.cancelButton, this.againButton, this.removeButton);
    const head = make("div", { class: "run" }, make("p", {}, this.title, " ", this.word), buttons);
    this.element = make("li", {}, head, this.bar, this.text, this.faults);
  }

  /** Send its file, and follow the task once the service has accepted it. */
  async send(what = this.what) {
    this.what = what;
    this.controller = new AbortController();
    this.sent(0);
    try {
      const { task_id: id } = await upload(what, this.controller.signal, (share) => this.sent(share));
      this.id = id;
      this.changed();
      await (this.unwanted ? this.revoke() : this.follow());
    } catch (error) {
      if (error.name === "AbortError") return this.remove();
      if (!(error instanceof Refusal)) throw error;
      this.show("UNSENT", error.message, error.errors);
      // A file that is refused has to be corrected, and chosen again.
      this.againButton.hidden = error.status !== 0 && error.status !== 503;
    }
  }

  sent(share) {
    this.share = share;
    const bytes = this.what.file.size;
    this.bar.value = share;
    this.show("SENDING", share < 1 ? `${size(share * bytes)} of ${size(bytes)} sent.` : "Sent. Its first rows are being checked.");
  }

  /** Ask for the state, again and again until the task has ended. */
  async follow() {
    clearTimeout(this.timer);
    this.timer = null;
    const turn = ++this.turn;
    const { status, answer, wait } = await ask(`inference/status/${this.id}`);
    if (turn !== this.turn) return;
    this.take(status, answer);
    // Whoever was asked for a key and gave none is not asked again.
    if (this.ended || status === 401) return;
    this.timer = setTimeout(() => this.follow(), 1000 * Math.max(wait, document.hidden ? HIDDEN_SECONDS : 0));
  }

  /** Show the answer to a question about this task. */
  take(status, answer) {
    if (status === 404 || status === 410) return this.show("EXPIRED", answer.detail);
    if (!STATES[answer.status]) return this.show(this.state, answer.detail ?? `The service answered with status ${status}.`);
    const { detail, errors } = answer.error ?? {};
    this.bar.value = answer.progress;
    this.show(answer.status, detail ?? sentence(answer), errors);
    if (answer.status !== "SUCCESS" || this.results) return;
    this.results = resultsOf(this, answer.rows_done);
    this.element.append(this.results);
    // Whoever sent the file sees what came of it; what is remembered is asked for when it is opened.
    this.results.querySelector("details").open = Boolean(this.what);
  }

  cancel() {
    if (this.id) return this.revoke();
    // A file that has been sent may be a task by now: its id is awaited, and the task cancelled.
    if (this.share < 1) this.controller.abort();
    else this.unwanted = true;
  }

  async revoke() {
    clearTimeout(this.timer);
    const turn = ++this.turn;
    const { status, answer } = await ask(`inference/${this.id}`, { method: "DELETE" });
    if (turn !== this.turn) return;
    // It may have ended before, or the service may not have heard of this.
    if (status === 202) this.take(status, answer);
    else await this.follow();
  }

  remove() {
    clearTimeout(this.timer);
    this.turn++;
    const next = this.element.nextElementSibling ?? this.element.previousElementSibling;
    const focused = this.element.contains(document.activeElement);
    this.element.remove();
    this.changed(this);
    if (focused) (next?.querySelector("strong") ?? $("file")).focus();
  }

  /** Show a state, a sentence on it, and the places where rows are wrong. */
  show(state, text, errors = []) {
    const before = this.state;
    const focused = document.activeElement;
    this.state = state;
    this.word.textContent = [STATES[state], when(this.time)].filter(Boolean).join(" · ");
    this.text.textContent = text;
    this.text.className = state === "FAILURE" || state === "UNSENT" ? "fault" : "small";
    const shown = errors.slice(0, SHOWN_FAULTS).map(place);
    if (errors.length > SHOWN_FAULTS) shown.push(`and ${grouped(errors.length - SHOWN_FAULTS)} more`);
    this.faults.replaceChildren(...shown.map((each) => make("li", {}, each)));
    this.bar.hidden = this.cancelButton.hidden = this.ended;
    this.removeButton.hidden = !this.ended;
    this.againButton.hidden = true;
    if (this.ended && focused === this.cancelButton) this.title.focus();
    if (state === before || before === "ASKING") return;
    $("tasks-said").textContent = `${this.name}: ${STATES[state]}. ${this.ended ? text : ""}`;
  }
}

/** How far a task is, or what came of it. */
function sentence({ status, rows, rows_done: done, progress, rows_per_second: rate, seconds_left: left, ...more }) {
  if (status === "PENDING") return "It waits for its turn.";
  if (status === "REVOKED") return `Cancelled after ${count(done, "row")}: it has no results.`;
  if (status === "SUCCESS") return `${count(done, "row")} answered in ${duration((new Date(more.ended) - new Date(more.started)) / 1000)}.${notes(more)}`;
  const parts = [rows ? `${grouped(done)} of ${count(rows, "row")} done (${percent(progress)})` : `${count(done, "row")} done (${percent(progress)})`];
  if (rate !== null) parts.push(`${count(Math.round(rate), "row")} a second`);
  if (left !== null) parts.push(`${duration(left)} left`);
  return `${parts.join(", ")}.`;
}

function notes({ ignored_columns: ignored, unknown_categories: unknown }) {
  const found = Object.entries(unknown).map(([name, n]) => `${name} in ${count(n, "row")}`);
  return (ignored.length ? ` Not used: ${ignored.join(", ")}.` : "") + (found.length ? ` Not seen in training: ${found.join(", ")}.` : "");
}

/** A place in the rows, which a pointer counts from 0 and a person from 1. */
function place({ pointer, detail }) {
  const [row, ...names] = steps(pointer);
  const where = /^\d+$/.test(row ?? "") ? [`row ${grouped(Number(row) + 1)}`, ...names] : [row, ...names];
  return [where.filter(Boolean).join(", "), detail].filter(Boolean).join(": ");
}

const when = (time) => new Date(time).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
