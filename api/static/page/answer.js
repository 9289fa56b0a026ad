/** The answer to what stands in the form: prediction, probabilities, curves, explanation. */

import { Choice } from "./choice.js";
import { $, bar, format, make, percent, setBar } from "./dom.js";
import { label, numbers, post, Refusal } from "./service.js";

const PAUSE = 120;
const SHOWN_SHARES = 10;

export class Answer {
  constructor(model, form, request) {
    this.model = model;
    this.form = form;
    this.request = request;
    this.turn = 0;
    this.chosen = null;
    this.rows = [];
    this.choice = new Choice(model);
    this.explains = true;
    this.sure = model.scores === "predict_proba";
    this.tell = this.sure ? percent : format;
    this.scale = this.sure ? [0, 1] : null;
    $("why").hidden = true;
    $("faults").replaceChildren();
  }

  /** Ask no more, and drop what is under way. */
  stop() {
    clearTimeout(this.timer);
    this.turn++;
    this.controller?.abort();
  }

  /** Ask after a pause in typing. */
  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), PAUSE);
  }

  /** Ask now. An answer that comes after the next question is dropped. */
  async ask() {
    const turn = ++this.turn;
    this.controller?.abort();
    this.controller = new AbortController();
    const { signal } = this.controller;
    $("answer").setAttribute("aria-busy", "true");
    try {
      const row = this.form.row();
      this.request(row);
      const started = performance.now();
      const found = await this.fetch(row, signal);
      if (turn !== this.turn) return;
      Object.assign(this, found, { took: performance.now() - started });
      this.show();
      this.choice.offer(row, this.prediction, this.values);
      this.say(`${this.target()}${$("verdict").textContent} ${$("beside").textContent}`);
      await this.explain(row, signal, turn);
    } catch (error) {
      if (turn !== this.turn) return;
      if (!(error instanceof Refusal || error instanceof SyntaxError)) throw error;
      this.refuse(error);
    } finally {
      if (turn === this.turn) $("answer").setAttribute("aria-busy", "false");
    }
  }

  /** All that is shown of one row, but for the explanation. */
  async fetch(row, signal) {
    const { model, form } = this;
    const body = JSON.stringify(row);
    const options = { signal, logged: false };
    const [{ predictions }, scores] = await Promise.all([
      post(model.answers, body, options),
      model.scores ? post(model.scores, body, options) : null,
    ]);
    const { trials, rows } = form.trials();
    const method = model.scores ?? model.answers;
    const moved = rows.length ? await post(method, JSON.stringify(rows), options).catch(passed) : null;
    return {
      prediction: predictions[0],
      values: numbers(scores ? scores.predictions[0] : predictions[0]),
      trials: moved ? trials : [],
      moved: (moved?.predictions ?? []).map(numbers),
    };
  }

  target() {
    return this.model.target ? `${this.model.target}: ` : "";
  }

  /** The place, among the numbers of a row, of the one that is predicted. */
  predicted() {
    const place = (this.model.classes ?? []).findIndex((name) => name === this.prediction);
    return place < 0 || this.values.length === 1 ? 0 : place;
  }

  column() {
    return this.chosen ?? this.predicted();
  }

  show() {
    this.form.complain([]);
    $("faults").replaceChildren();
    $("answer").classList.remove("stale");
    const place = this.predicted();
    const text = numbers(this.prediction).length === 1 && !this.model.classes ? format(this.prediction) : label(this.prediction);
    $("verdict").textContent = text;
    $("verdict").classList.toggle("long", text.length > 20);
    const sure = this.sure && !Array.isArray(this.prediction);
    $("beside").textContent = sure ? `with probability ${percent(this.values[place])}` : "";
    $("echo").textContent = [text, sure ? percent(this.values[place]) : ""].join("  ");
    this.showChances();
    this.showCurves();
  }

  /** One bar for each number; each of them can be chosen for the curves. */
  showChances() {
    const { model, values } = this;
    $("classes").hidden = values.length < 2;
    if (values.length < 2) return;
    const names = model.names(model.scores ?? model.answers, values.length);
    if (this.rows.length !== values.length) {
      this.rows = names.map((name, i) => {
        const input = make("input", { type: "radio", name: "shown", value: i });
        input.addEventListener("change", () => this.choose(i));
        const value = make("span", { class: "value" });
        const share = bar(0);
        const row = make("label", { class: "chance" }, input, make("span", {}, name), value, share);
        return { row, input, value, share };
      });
      $("chances").replaceChildren(...this.rows.map(({ row }) => row));
    }
    const [low, high] = this.scale ?? [Math.min(...values, 0), Math.max(...values)];
    const order = values.map((_, i) => i).sort((a, b) => values[b] - values[a]);
    this.rows.forEach(({ row, input, value, share }, i) => {
      value.textContent = this.tell(values[i]);
      setBar(share, (values[i] - low) / (high - low || 1));
      input.checked = i === this.column();
      // Of many, the likeliest come first.
      if (values.length > SHOWN_SHARES) row.style.order = order.indexOf(i);
    });
  }

  /** Show this one in the curves; the predicted one means: whichever is predicted. */
  choose(place) {
    this.chosen = place === this.predicted() ? null : place;
    this.showCurves();
    this.showShares();
  }

  showCurves() {
    const results = this.moved.map((row) => row[this.column()] ?? NaN);
    const curves = results.some(Number.isFinite);
    $("curves").hidden = $("chances-hint").hidden = !curves;
    this.form.chart(curves ? this.trials : [], results, this.tell, this.scale);
  }

  /** Ask how each feature contributes; where that cannot be done, say so once. */
  async explain(row, signal, turn) {
    if (!this.explains) return;
    $("why").classList.add("stale");
    try {
      const explanation = await post("explain", JSON.stringify(row), { signal, logged: false });
      if (turn !== this.turn) return;
      this.explanation = explanation;
      this.showShares();
    } catch (error) {
      if (turn !== this.turn) return;
      if (!(error instanceof Refusal)) throw error;
      this.explains = error.status !== 501 && error.status !== 404;
      this.explanation = null;
      $("why").hidden = false;
      $("why").classList.remove("stale");
      $("shares").replaceChildren();
      $("why-note").textContent =
        error.status === 404 ? "This service has no /explain, which would say what each feature contributes." : error.message;
    }
  }

  /** Contributions as bars to both sides of nothing. */
  showShares() {
    if (!this.explanation) return;
    const { method, exact, output, base, explanations } = this.explanation;
    const [{ contributions, output: sums }] = explanations;
    const column = Math.min(this.column(), base.length - 1);
    const all = Object.entries(contributions).map(([name, values]) => [name, values[column]]);
    all.sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
    const most = Math.max(...all.map(([, value]) => Math.abs(value))) || 1;
    // As many decimals for all as the largest needs for three digits.
    const decimals = Math.min(9, Math.max(0, 2 - Math.floor(Math.log10(most))));
    const round = (value) => value.toFixed(decimals).replace("-", "−");
    const rows = all.slice(0, SHOWN_SHARES).map(([name, value]) => {
      const length = Math.abs(value) / most / 2;
      const row = make("li", {}, make("span", {}, name), make("span", { class: "value" }, (value > 0 ? "+" : "") + round(value)), bar(length, value < 0 ? 0.5 - length : 0.5));
      row.classList.toggle("against", value < 0);
      return row;
    });
    $("shares").replaceChildren(...rows);
    const names = this.model.names(output, base.length);
    $("why-title").textContent = names.length > 1 ? `Why ${names[column]}` : "Why";
    const rest = all.length > rows.length ? ` The ${all.length - rows.length} smallest are left out.` : "";
    $("why-note").textContent = `From ${round(base[column])}, the average, to ${round(sums[column])} (${output}); ${method}, ${exact ? "exact" : "estimated"}.${rest}`;
    $("why").hidden = false;
    $("why").classList.remove("stale");
  }

  /** Say why there is no answer, at the fields it is about and beside the old answer. */
  refuse(error) {
    $("answer").classList.add("stale");
    this.choice.withdraw();
    if (error instanceof SyntaxError) {
      this.form.complain([{ pointer: "", detail: `This is not JSON: ${error.message}` }]);
      return this.say(`This is not JSON: ${error.message}`);
    }
    const errors = error instanceof Refusal ? error.errors : [];
    const others = this.form.complain(errors);
    const all = errors.length ? others : [error.message];
    $("faults").replaceChildren(...all.map((text) => make("li", {}, text)));
    if (errors.length && !others.length) $("faults").append(make("li", {}, "Not answered: see the form."));
    this.say(`Not answered. ${errors.map(({ pointer, detail }) => `${pointer.slice(1)} ${detail}`).join("; ") || error.message}`);
  }

  say(text) {
    $("said").textContent = text;
  }
}

/** Curves are for looking at: a value that only they try, and the model refuses, leaves them out. */
function passed(error) {
  if (error instanceof Refusal) return null;
  throw error;
}
