/** "Right? Choose": the truth of the row in the form, as a person tells it to the service. */

import { $, format, make } from "./dom.js";
import { ask, numbers, tell } from "./service.js";

const SHOWN_CLASSES = 6;
const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;
const BUSY = "Not kept: the service keeps no more predictions in this second. Choose again.";

/** The choice below the answers of this model. */
export class Choice {
  constructor(model) {
    this.model = model;
    this.turn = 0;
    this.buttons = new Map();
    this.kept = null;
    $("choice").hidden = true;
    $("choice-form").onsubmit = (event) => {
      event.preventDefault();
      this.enter();
    };
    $("choice-other").onchange = ({ target }) => target.value !== "" && this.tell(model.classes[Number(target.value)]);
  }

  /** Offer the choice for a row that has this answer; `values` are those of the classes. */
  offer(row, prediction, values) {
    const { classes, methods } = this.model;
    const one = !Array.isArray(prediction) && !Array.isArray(classes?.[0]);
    const possible = methods.includes("predict") && one && (classes || numbers(prediction).length === 1);
    $("choice").hidden = !possible;
    const body = JSON.stringify(row);
    if (!possible || (body === this.body && Object.is(prediction, this.prediction))) return;
    Object.assign(this, { body, prediction, kept: null });
    this.turn++;
    this.say("");
    $("choice-title").textContent = classes ? "Right? Choose the true class" : "Right? Enter the true value";
    $("choice-form").hidden = Boolean(classes);
    $("choice-classes").hidden = !classes;
    if (classes) this.showClasses(values);
    else $("choice-number").value = "";
  }

  /** There is no answer to tell the truth of. */
  withdraw() {
    $("choice").hidden = true;
    this.body = null;
    this.turn++;
  }

  /** A button for each of the likeliest classes, the predicted one first; the rest are in a list. */
  showClasses(values) {
    const { classes } = this.model;
    const places = classes.map((_, i) => i);
    if (values.length === classes.length) places.sort((a, b) => values[b] - values[a]);
    const first = classes.indexOf(this.prediction);
    if (first >= 0) places.unshift(...places.splice(places.indexOf(first), 1));
    const shown = places.length > SHOWN_CLASSES + 1 ? places.slice(0, SHOWN_CLASSES) : places;
    const rest = places.slice(shown.length);
    const button = (label, name) => {
      const made = make("button", { type: "button", class: "quiet", "aria-pressed": "false" }, name);
      made.addEventListener("click", () => this.tell(label));
      return [label, made];
    };
    this.buttons = new Map([...shown.map((i) => button(classes[i], String(classes[i]))), button(null, "None of these")]);
    $("choice-classes").replaceChildren(...this.buttons.values());
    $("choice-rest").hidden = !rest.length;
    $("choice-other").replaceChildren(
      make("option", { value: "" }, "Choose"),
      ...rest.map((i) => make("option", { value: i }, String(classes[i])))
    );
  }

  /** Take the number that was entered. */
  enter() {
    const text = $("choice-number").value.trim();
    const right = NUMBER.test(text) && Number.isFinite(Number(text));
    $("choice-number").setAttribute("aria-invalid", String(!right));
    if (right) return this.tell(Number(text));
    return this.say("Enter a number, such as 12.5.", true);
  }

  /** Send the row once more, to be kept, and then what is true of it. */
  async tell(label) {
    const turn = ++this.turn;
    $("choice").setAttribute("aria-busy", "true");
    this.say("Sending …");
    const outcome = await this.send(label);
    if (turn !== this.turn) return;
    $("choice").removeAttribute("aria-busy");
    this.press(outcome.answer ? label : undefined);
    if (outcome.problem) return this.say(outcome.problem, true);
    this.say(sentence(label, outcome.answer));
  }

  /** The answer to a selection, or the problem in words. */
  async send(label) {
    const { body } = this;
    if (!this.kept) {
      const { status, answer, id } = await tell("POST", "predict", body);
      if (status !== 200) return { problem: words(status, answer) };
      if (!id) return { problem: await whyNot() };
      if (body === this.body) this.kept = id;
      return this.select(id, label);
    }
    return this.select(this.kept, label);
  }

  async select(id, label) {
    const { status, answer } = await tell("PUT", "inference/select", JSON.stringify({ prediction_id: id, label }));
    if (status === 200) return { answer };
    // A prediction that is gone is sent again when the person chooses again.
    if (status === 404 || status === 410) this.kept = null;
    return { problem: words(status, answer) };
  }

  press(label) {
    for (const [each, button] of this.buttons) button.setAttribute("aria-pressed", String(Object.is(each, label)));
    if (this.buttons.has(label)) $("choice-other").value = "";
  }

  say(text, wrong = false) {
    $("choice-said").textContent = text;
    $("choice-said").classList.toggle("fault", wrong);
    if (!wrong) $("choice-number").removeAttribute("aria-invalid");
  }
}

/** Why the service has kept no prediction of a row. */
async function whyNot() {
  const { answer } = await ask("content/info");
  if (answer.mode === "all") return BUSY;
  return `Not kept: ${answer.note || "this service keeps no predictions"}.`;
}

/** What was kept. */
function sentence(label, { predicted, correct }) {
  if (label === null) return `Kept: none of the classes. The model said ${format(predicted)}.`;
  if (typeof label === "number" && typeof predicted === "number" && correct == null) {
    if (label === predicted) return `Kept: ${format(label)}, as the model said.`;
    return `Kept: ${format(label)}. The model was ${format(Math.abs(predicted - label))} ${predicted < label ? "below" : "above"}.`;
  }
  return correct ? `Kept: ${format(label)}, as the model said.` : `Kept: ${format(label)}. The model said ${format(predicted)}.`;
}

/** Why a choice was not kept, and what helps. */
function words(status, { detail }) {
  const told = detail ?? `the service answered with status ${status}.`;
  if (status === 503 || status === 0) return `Not kept: ${told} Choose again in a while.`;
  if (status === 410) return `Not kept: ${told} Choose again, and the row is sent anew.`;
  return `Not kept: ${told}`;
}
