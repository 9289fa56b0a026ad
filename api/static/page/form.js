/** The form: one field for each feature, and what the answer does when that feature alone moves. */

import { $, bar, clamp, draw, format, make, some } from "./dom.js";
import { steps } from "./service.js";

const SHOWN_FIELDS = 40;
const SHOWN_CATEGORIES = 8;
// A curve has this many points, or fewer where all of them would be too much for one request.
const POINTS = 33;
const FEW = 5;
const ROWS = 900;
const NUMBERS = 200_000;
const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;

class Field {
  constructor(feature, i, changed) {
    this.feature = feature;
    this.id = `field-${i}`;
    this.kind = `${feature.type} ${feature.name}`;
    this.changed = changed;
    const { min, max } = feature.seen;
    this.ranged = feature.type === "number" && !feature.categories && min < max;
    this.control = this.makeControl();
    this.control.addEventListener("input", () => this.input());
    this.plot = make("div", { class: "plot" });
    this.note = make("p", { class: "note", id: `${this.id}-note` });
    this.fault = make("p", { class: "fault", id: `${this.id}-fault` });
    this.element = make("div", { class: "field" });
    this.element.append(
      make("div", { class: "top" }, make("label", { for: this.id }, feature.name), this.control)
    );
    if (feature.type !== "unused") this.element.append(this.plot);
    if (this.ranged) this.element.append(this.makeSlider());
    this.element.append(this.makeEnds(), this.fault, this.note);
  }

  makeControl() {
    const { feature, id } = this;
    const described = { id, "aria-describedby": `${id}-fault ${id}-note` };
    const known = feature.categories ?? (feature.type === "boolean" ? [true, false] : null);
    if (known) {
      this.options = [...known];
      if (feature.missing) this.options.push(null);
      return make("select", described, ...this.options.map(option));
    }
    if (feature.type === "string") return make("input", { ...described, type: "text", class: "text" });
    const mode = feature.type === "number" ? { inputmode: "decimal" } : {};
    return make("input", { ...described, ...mode, type: "text" });
  }

  makeSlider() {
    const { min, max, dtype } = this.feature.seen;
    const step = 10 ** Math.floor(Math.log10((max - min) / 100));
    const integral = String(dtype).includes("int");
    this.slider = make("input", {
      type: "range",
      min,
      max,
      step: integral ? Math.max(1, step) : step,
      "aria-label": `${this.feature.name}, slider`,
    });
    this.slider.addEventListener("input", () => {
      this.control.value = String(Number(Number(this.slider.value).toPrecision(12)));
      this.input();
    });
    return this.slider;
  }

  makeEnds() {
    const { min, max } = this.feature.seen;
    const ends = make("div", { class: "ends small" });
    if (this.ranged) ends.append(make("span", {}, format(min)));
    if (this.feature.missing && !this.options) {
      this.missing = make("input", { type: "checkbox" });
      this.missing.addEventListener("input", () => this.input());
      const of = make("span", { class: "said" }, ` ${this.feature.name}`);
      ends.append(make("label", {}, this.missing, " missing", of));
    }
    if (this.ranged) ends.append(make("span", {}, format(max)));
    return ends;
  }

  input() {
    this.show();
    this.changed();
  }

  /** Let the rest of the field follow its control. */
  show() {
    const value = this.value;
    if (this.missing) this.control.disabled = this.missing.checked;
    if (this.slider) {
      this.slider.disabled = value === null && Boolean(this.missing?.checked);
      if (typeof value === "number") this.slider.value = value;
    }
    this.note.textContent = this.warning(value);
  }

  /** What is sent: text that is no number goes as it is, and the service says what is wrong. */
  get value() {
    if (this.options) return this.options[this.control.selectedIndex] ?? null;
    if (this.missing?.checked) return null;
    const text = this.control.value;
    const { type } = this.feature;
    if (type === "string") return text;
    if (text.trim() === "") return null;
    if (NUMBER.test(text.trim()) && Number.isFinite(Number(text))) return Number(text);
    if (type !== "number" && /^(true|false)$/.test(text)) return text === "true";
    return text;
  }

  set value(value) {
    if (this.options) {
      if (!this.options.includes(value)) {
        this.options.push(value);
        this.control.append(option(value));
      }
      this.control.selectedIndex = this.options.indexOf(value);
    } else {
      if (this.missing) this.missing.checked = value === null;
      if (value !== null) this.control.value = String(value);
    }
    this.show();
  }

  /** Take over what stands in a field of this kind; false if this one does not know it. */
  copy(old) {
    if (this.options) {
      const known = this.options.includes(old.value);
      if (known) this.value = old.value;
      return known;
    }
    this.control.value = old.options ? String(old.value ?? "") : old.control.value;
    if (this.missing) this.missing.checked = Boolean(old.missing?.checked);
    this.show();
    return true;
  }

  /** A sentence if the model has seen nothing like it in training. */
  warning(value) {
    const { type, seen: { min, max, missing, counts } } = this.feature;
    if (value === null) return missing === 0 ? "No value was missing in training." : "";
    if (typeof value === "number" && (value < min || value > max)) {
      return `Outside what the model has seen: ${format(min)} to ${format(max)}.`;
    }
    // The card writes True where JSON has true.
    const known = Object.keys(counts ?? {}).map((name) => (type === "boolean" ? name.toLowerCase() : name));
    if (this.options && counts && ["string", "boolean"].includes(type) && !known.includes(String(value))) {
      return "The model has not seen this one in training.";
    }
    return "";
  }

  complain(text) {
    this.fault.textContent = text;
    this.control.setAttribute("aria-invalid", String(Boolean(text)));
  }

  /** The values to try in place of this one, with all others as they are. */
  trials(points) {
    if (this.options) return this.options.slice(0, SHOWN_CATEGORIES);
    // Around a value that is made up, a curve would tell nothing.
    if (!this.ranged) return [];
    const { min, max } = this.feature.seen;
    return Array.from({ length: points }, (_, i) => min + ((max - min) * i) / (points - 1));
  }

  /** Show what came of the trials, on a scale that all fields share. */
  chart(trials, results, tell, [low, high]) {
    const share = (result) => clamp((result - low) / (high - low || 1));
    this.plot.replaceChildren();
    this.plot.classList.toggle("categories", Boolean(this.options));
    if (!trials.length) return;
    if (this.options) {
      const rows = trials.map((value, i) => {
        const row = make("li", {}, make("span", {}, word(value)), bar(share(results[i])), make("span", {}, tell(results[i])));
        row.classList.toggle("now", value === this.value);
        return row;
      });
      this.plot.append(make("ul", {}, ...rows));
      return;
    }
    const points = results.map((result, i) => `${(200 * i) / (results.length - 1)},${46 - 44 * share(result)}`);
    const [first, last] = [trials[0], trials.at(-1)];
    const svg = draw(
      "svg",
      {
        viewBox: "0 0 200 48",
        preserveAspectRatio: "none",
        role: "img",
        "aria-label": `From ${tell(results[0])} at ${format(first)} to ${tell(results.at(-1))} at ${format(last)}`,
      },
      draw("path", { class: "area", d: `M0,48 L${points.join(" L")} L200,48 Z` }),
      draw("path", { class: "curve", d: `M${points.join(" L")}` })
    );
    this.plot.append(svg);
    if (typeof this.value === "number" && this.value >= first && this.value <= last) {
      const at = ((this.value - first) / (last - first)) * (results.length - 1);
      const before = Math.min(Math.floor(at), results.length - 2);
      const height = share(results[before]) + (at - before) * (share(results[before + 1]) - share(results[before]));
      const dot = make("span", { class: "dot" });
      dot.style.left = `${(100 * at) / (results.length - 1)}%`;
      dot.style.top = `${(100 * (46 - 44 * height)) / 48}%`;
      this.plot.append(dot);
    }
  }
}

/** A form of one large field: a text, or an object with names of its own. */
class Whole {
  constructor(model, changed) {
    this.model = model;
    this.mapping = model.input === "mapping";
    const name = this.mapping ? "An object, as JSON" : model.features[0].name;
    this.kind = `${model.input} ${name}`;
    this.control = make("textarea", { id: "field-0", rows: 8, "aria-describedby": "field-0-fault" });
    this.control.addEventListener("input", changed);
    this.fault = make("p", { class: "fault", id: "field-0-fault" });
    this.element = make("div", { class: "field whole" }, make("label", { for: "field-0" }, name), this.control, this.fault);
  }

  /** Throws what JSON.parse throws. */
  get value() {
    return this.mapping ? JSON.parse(this.control.value) : this.control.value;
  }

  set value(value) {
    this.control.value = this.mapping ? JSON.stringify(value, null, 2) : value;
  }

  copy(old) {
    this.control.value = old.control.value;
    return true;
  }

  complain(text) {
    this.fault.textContent = text;
    this.control.setAttribute("aria-invalid", String(Boolean(text)));
  }

  trials() {
    return [];
  }

  chart() {}
}

export class Form {
  constructor(model, changed) {
    this.model = model;
    const whole = model.input === "mapping" || model.input === "text";
    this.fields = whole
      ? [new Whole(model, changed)]
      : model.features.map((feature, i) => new Field(feature, i, changed));
    const form = $("form");
    form.onsubmit = (event) => event.preventDefault();
    form.replaceChildren(...this.fields.slice(0, SHOWN_FIELDS).map((field) => field.element));
    this.shown = this.fields.slice(0, SHOWN_FIELDS);
    if (this.fields.length > SHOWN_FIELDS) {
      this.more = make("button", { type: "button", class: "quiet" }, `Show all ${this.fields.length} features`);
      this.more.addEventListener("click", () => {
        this.showAll();
        this.fields[SHOWN_FIELDS].control.focus();
        changed();
      });
      form.append(this.more);
    }
    $("reset").onclick = () => {
      this.reset();
      changed();
    };
    this.reset();
    this.untouched = this.texts();
  }

  showAll() {
    this.more?.replaceWith(...this.fields.slice(SHOWN_FIELDS).map((field) => field.element));
    this.shown = this.fields;
  }

  showsAll() {
    return this.shown === this.fields;
  }

  /** The fields as they stand, whether that can be sent or not. */
  texts() {
    return JSON.stringify(this.fields.map(({ control, missing }) => [control.value, missing?.checked]));
  }

  /** Whether anything was entered since the example stood there. */
  entered() {
    return this.texts() !== this.untouched;
  }

  /** Take over the values of another form; give the fields of the same kind that do not know theirs. */
  copy(other) {
    const pairs = this.fields.map((field) => [field, other.fields.find(({ kind }) => kind === field.kind)]);
    return pairs.filter(([field, old]) => old && !field.copy(old)).map(([field, old]) => [field, old.value]);
  }

  /** The field that has the focus, and what is selected in it. */
  held() {
    const field = this.fields.find(({ control }) => control === document.activeElement);
    return field && { kind: field.kind, range: [field.control.selectionStart, field.control.selectionEnd] };
  }

  /** Give the focus to the field that stands for one of another form. */
  hold(held) {
    const control = this.fields.find(({ kind }) => kind === held?.kind)?.control;
    control?.focus({ preventScroll: true });
    if (control?.type === "text" && held.range[0] !== null) control.setSelectionRange(...held.range);
  }

  reset() {
    if (this.model.input === "mapping") this.fields[0].value = this.model.example;
    else this.model.exampleValues().forEach((value, i) => (this.fields[i].value = value));
  }

  values() {
    return this.fields.map((field) => field.value);
  }

  /** The row as it is sent; throws if it is no JSON where it should be. */
  row() {
    return this.model.input === "mapping" ? this.fields[0].value : this.model.object(this.values());
  }

  /** Put each error at its field; give back those that have none. */
  complain(errors) {
    const texts = new Map();
    const others = [];
    for (const { pointer, detail } of errors) {
      const [step] = steps(pointer);
      const place = this.model.input === "mapping" ? 0 : this.model.features.findIndex((f) => f.name === step);
      if (place < 0) {
        others.push(detail);
        continue;
      }
      const text = this.model.input === "mapping" && step !== undefined ? `${step}: ${detail}` : detail;
      texts.set(place, [...(texts.get(place) ?? []), text]);
    }
    this.fields.forEach((field, i) => field.complain((texts.get(i) ?? []).join("; ")));
    return others;
  }

  /** Rows in which one feature moves at a time, for all that are shown. */
  trials() {
    const values = this.values();
    const { length } = this.shown;
    const points = Math.floor(Math.min(POINTS, ROWS / length, NUMBERS / length / values.length));
    const trials = this.shown.map((field) => (points < FEW ? [] : field.trials(points)));
    const rows = trials.flatMap((tried, i) => tried.map((value) => values.with(i, value)));
    return { trials, rows };
  }

  chart(trials, results, tell, scale = null) {
    scale ??= range(results);
    let start = 0;
    this.shown.forEach((field, i) => {
      const tried = trials[i] ?? [];
      field.chart(tried, results.slice(start, start + tried.length), tell, scale);
      start += tried.length;
    });
  }
}

const word = (value) => (value === null ? "missing" : String(value));
const option = (value) => make("option", {}, word(value));

function range(results) {
  const finite = results.filter(Number.isFinite);
  return [Math.min(...finite), Math.max(...finite)];
}

export const seen = ({ categories, seen: { min, max, counts } }) => {
  if (min !== undefined) return `${format(min)} to ${format(max)}`;
  return some(categories ?? Object.keys(counts ?? {})) || "–";
};
