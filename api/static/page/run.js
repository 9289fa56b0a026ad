/** The rows of a file, sent to the model in chunks, and given back with the predictions added. */

import { decode, place, records, sniff, write } from "./csv.js";
import { count } from "./dom.js";
import { label, post, Refusal, steps } from "./service.js";

const CHUNK = 1000;
const PATIENCE = 5;

/** A table of CSV, with the columns of the model found in it. Throws a sentence if it is none. */
export function read(bytes, model) {
  const text = decode(bytes);
  const names = model.features.map(({ name }) => name);
  const delimiter = sniff(text, names);
  const all = records(text, delimiter);
  let header = [];
  for (const record of all) {
    header = record.cells;
    if (header.length > 1 || header[0] !== "") break;
    header = [];
  }
  const twice = header.find((name, i) => header.indexOf(name) !== i && names.includes(name));
  if (twice !== undefined) throw new Error(`The column “${twice}” stands twice in the header.`);
  const lacking = names.filter((name) => place(header, name) < 0);
  if (lacking.length || !header.length) {
    throw new Error(`The first line must name the columns; it lacks: ${lacking.join(", ") || "all"}.`);
  }
  const used = names.length ? names : header;
  const columns = used.map((name) => place(header, name));
  const extra = header.map((name, j) => name || `column ${j + 1}`).filter((_, j) => !columns.includes(j));
  const rows = [];
  const failures = new Map();
  for (const record of iterate(text, delimiter)) {
    if (record.cells.length === 1 && record.cells[0] === "" && header.length > 1) continue;
    if (record.cells.length !== header.length) {
      failures.set(rows.length, `expected ${count(header.length, "field")}, got ${record.cells.length}`);
    }
    rows.push(record);
  }
  if (!rows.length) throw new Error("The file has a header and no rows.");
  return { delimiter, header, rows, failures, used, columns, extra };
}

/** The records below the header. */
function* iterate(text, delimiter) {
  let above = true;
  for (const record of records(text, delimiter)) {
    if (!above) yield record;
    else above = record.cells.length === 1 && record.cells[0] === "";
  }
}

/** One run of a file through the model. */
export class Run {
  constructor(model, table, progress) {
    this.model = model;
    this.table = table;
    this.progress = progress;
    this.controller = new AbortController();
    this.predictions = new Array(table.rows.length);
    this.chances = new Array(table.rows.length);
    this.done = 0;
    this.chance = model.scores === "predict_proba" && !Array.isArray(model.classes?.[0]);
  }

  async go() {
    const { rows, failures } = this.table;
    for (let start = 0; start < rows.length; start += CHUNK) {
      const end = Math.min(start + CHUNK, rows.length);
      const chunk = [];
      for (let i = start; i < end; i++) if (!failures.has(i)) chunk.push(i);
      await this.predict(chunk);
      this.done = end;
      this.progress(this);
    }
  }

  /** Predict these rows; those that the service names as wrong are put aside, and the rest sent again. */
  async predict(chunk) {
    for (let patience = PATIENCE; chunk.length; ) {
      try {
        const methods = this.chance ? [this.model.answers, "predict_proba"] : [this.model.answers];
        const body = this.body(chunk);
        const options = { type: "text/csv", signal: this.controller.signal, version: this.model.version };
        const [answers, chances] = await Promise.all(methods.map((method) => post(method, body, options)));
        chunk.forEach((i, k) => {
          this.predictions[i] = answers.predictions[k];
          if (chances) this.chances[i] = chances.predictions[k];
        });
        return;
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        if (error.status === 503 && patience-- > 0) {
          await new Promise((resolve) => setTimeout(resolve, 1000));
          this.controller.signal.throwIfAborted();
        } else if (error.status === 413 && chunk.length > 1) {
          const half = chunk.length >> 1;
          await this.predict(chunk.slice(0, half));
          chunk = chunk.slice(half);
        } else if (!this.putAside(chunk, error)) {
          throw error;
        } else {
          chunk = chunk.filter((i) => !this.table.failures.has(i));
        }
      }
    }
  }

  /** Note why rows are wrong; false if the error is about none of them. */
  putAside(chunk, error) {
    let found = false;
    for (const { pointer, detail } of error.errors) {
      const [row, ...rest] = steps(pointer);
      if (!/^\d+$/.test(row ?? "") || !(row < chunk.length)) continue;
      const i = chunk[row];
      const name = rest.join("/");
      // A place in a table of numbers is counted, and its name is in the sentence.
      const told = !name || detail.startsWith(`${this.model.features[name]?.name}: `);
      const here = this.table.rows[i].cells[this.table.columns[this.table.used.indexOf(name)]];
      const reason = told ? detail : `${name}: ${detail}${here ? ` (“${here.slice(0, 40)}”)` : ""}`;
      const before = this.table.failures.get(i);
      this.table.failures.set(i, before ? `${before}; ${reason}` : reason);
      found = true;
    }
    return found;
  }

  body(chunk) {
    const { used, columns, rows } = this.table;
    // Semicolons say that decimals may have commas; names of one's own fit under any delimiter.
    const delimiter = this.model.features.length ? this.table.delimiter : ",";
    const lines = chunk.map((i) => write(columns.map((j) => rows[i].cells[j]), delimiter));
    return write(used, delimiter) + lines.join("");
  }

  /** The file as it came, with what came of it. */
  download() {
    const { header, rows, failures, delimiter } = this.table;
    const added = [this.model.answers === "predict" ? "prediction" : this.model.answers];
    if (this.chance) added.push(...this.model.classes.map((name) => `probability_${name}`));
    if (failures.size) added.push("error");
    const free = (name) => (header.includes(name) ? free(`${name}_`) : name);
    const parts = [];
    let part = write([...header, ...added.map(free)], delimiter);
    rows.forEach(({ cells }, i) => {
      const answered = this.predictions[i] !== undefined;
      const line = header.map((_, j) => cells[j] ?? "");
      line.push(answered ? cell(this.predictions[i]) : "");
      if (this.chance) this.model.classes.forEach((_, k) => line.push(answered ? cell(this.chances[i][k]) : ""));
      if (failures.size) line.push(failures.get(i) ?? "");
      part += write(line, delimiter);
      if (i % CHUNK === CHUNK - 1) {
        parts.push(part);
        part = "";
      }
    });
    return new Blob([...parts, part], { type: "text/csv" });
  }
}

const cell = (value) => (value === null ? "" : label(value));
