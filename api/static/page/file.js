/** A file: checked and predicted in chunks, charted, and given back with the predictions added. */

import { decode, place, records, sniff, write } from "./csv.js";
import { $, bar, count, draw, format, grouped, make, percent, size } from "./dom.js";
import { label, numbers, post, Refusal, steps } from "./service.js";
import { sendAsTask } from "./tasks.js";
import { mediaType } from "./upload.js";

const CHUNK = 1000;
const SHOWN_FAILURES = 100;
const SHOWN_BARS = 12;
const BINS = 24;
const PATIENCE = 5;
// No browser has longer texts than half a gigabyte.
const MAX_FORM_BYTES = 256e6;

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
class Run {
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

/** Take files, and give a function that has them answered by another version of the model. */
export function initFile(model) {
  let run = null;
  let url = "";
  let offered = null;
  const drop = $("drop");
  for (const name of ["dragover", "drop"]) {
    drop.addEventListener(name, (event) => event.preventDefault());
  }
  drop.addEventListener("dragover", () => drop.classList.add("over-it"));
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over-it"));
  drop.addEventListener("drop", (event) => event.dataTransfer.files[0] && take(event.dataTransfer.files[0]));
  $("file").addEventListener("change", () => {
    const [file] = $("file").files;
    // The same file may be chosen again once it is mended.
    $("file").value = "";
    if (file) take(file);
  });
  $("cancel").addEventListener("click", () => run?.controller.abort());
  $("offer-send").addEventListener("click", () => {
    run?.controller.abort();
    run = null;
    for (const id of ["offer", "run", "outcome"]) $(id).hidden = true;
    sendAsTask(offered, model.answers);
  });
  offerTemplate(model);
  return (replacing) => {
    if (run && !$("outcome").hidden) {
      $("progress-text").textContent = `${summary(run)} The version ${run.model.version.slice(0, 12)} has answered.`;
    }
    model = replacing;
    offerTemplate(model);
  };

  async function take(file) {
    run?.controller.abort();
    $("outcome").hidden = true;
    $("file-problem").hidden = true;
    $("run").hidden = true;
    $("offer").hidden = true;
    run = null;
    const problem = (text) => {
      $("file-problem").textContent = text;
      $("file-problem").hidden = false;
    };
    const offer = (why) => {
      offered = file;
      $("offer").hidden = false;
      $("offer-text").textContent = `${why} The service can answer it as a task, which goes on after this page is closed.`;
    };
    const reason = unfit(file);
    if (reason) return offer(reason);
    let table;
    try {
      table = read(await file.arrayBuffer(), model);
    } catch (error) {
      return problem(error.message);
    }
    const mine = (run = new Run(model, table, progress));
    $("file-name").textContent = file.name;
    $("file-columns").textContent = table.extra.length ? `Not used: ${table.extra.join(", ")}` : "";
    $("run").hidden = false;
    $("cancel").hidden = false;
    progress(mine);
    if (table.rows.length > limit("max-rows")) {
      offer(`${file.name} has more rows than one request may (${grouped(limit("max-rows"))}), so this page sends them in pieces.`);
    }
    try {
      await mine.go();
    } catch (error) {
      if (mine !== run) return;
      if (error.status === 413) return offer(`A row of ${file.name} is too large for a request.`);
      if (error.name !== "AbortError") problem(error.message);
    }
    if (mine !== run) return;
    $("offer").hidden = true;
    $("cancel").hidden = true;
    $("progress-text").textContent = summary(mine);
    URL.revokeObjectURL(url);
    url = URL.createObjectURL(mine.download());
    $("download").href = url;
    $("download").download = `${file.name.replace(/\.\w+$/, "")}-predicted.csv`;
    showDistribution(mine);
    showFailures(mine);
    $("outcome").hidden = false;
  }
}

/** A limit of the service for one request, as it is written into the page. */
const limit = (name) => Number(document.querySelector(`meta[name="${name}"]`).content);

/** Why the form does not take a file; empty if it does. */
function unfit(file) {
  if (mediaType(file) === "application/x-ndjson") return `${file.name} is NDJSON, which this page does not answer itself.`;
  const most = Math.min(limit("max-body-bytes"), MAX_FORM_BYTES);
  return file.size > most ? `${file.name} has ${size(file.size)}, and this page answers up to ${size(most)} itself.` : "";
}

function progress({ done, table }) {
  $("progress").value = done / table.rows.length;
  $("progress-text").textContent = `${grouped(done)} of ${count(table.rows.length, "row")}, ${grouped(table.failures.size)} failed`;
}

function summary({ done, table, predictions }) {
  const answered = predictions.reduce((sum) => sum + 1, 0);
  const stopped = done < table.rows.length ? `Stopped after ${grouped(done)} of ${count(table.rows.length, "row")}` : `All ${count(table.rows.length, "row")} read`;
  return `${stopped}: ${grouped(answered)} predicted, ${grouped(table.failures.size)} failed.`;
}

/** A file to begin with: the columns, and the example. */
function offerTemplate(model) {
  $("template").parentElement.hidden = !model.features.length;
  if (!model.features.length) return;
  const example = model.exampleValues().map((value) => (value === null ? "" : String(value)));
  const text = write(model.features.map(({ name }) => name)) + write(example);
  $("template").href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
}

function showFailures({ table: { failures, rows } }) {
  const all = [...failures].sort(([a], [b]) => a - b);
  $("failed").hidden = !all.length;
  $("failed-title").textContent = `${count(all.length, "row")} that ${all.length === 1 ? "fails" : "fail"}`;
  $("failures").replaceChildren(
    ...all.slice(0, SHOWN_FAILURES).map(([i, reason]) => make("tr", {}, make("td", {}, grouped(rows[i].line)), make("td", {}, reason)))
  );
  const more = all.length - SHOWN_FAILURES;
  $("failed-note").textContent = more > 0 ? `and ${grouped(more)} more. The download has all of them.` : "";
}

function showDistribution({ predictions, model, table }) {
  const answered = predictions.filter((prediction) => prediction !== undefined);
  // Of several outputs, the first.
  const values = answered.map((prediction) => [prediction].flat(Infinity)[0]);
  const figures = model.classes ? [] : numbers(values).filter(Number.isFinite);
  $("distribution").replaceChildren(figures.length ? histogram(figures) : tally(values));
  $("agreement").textContent = agreement(predictions, model, table);
}

function tally(values) {
  const counts = new Map();
  for (const value of values) counts.set(label(value), (counts.get(label(value)) ?? 0) + 1);
  const all = [...counts].sort((a, b) => b[1] - a[1]);
  const most = all[0]?.[1] ?? 1;
  const rows = all.slice(0, SHOWN_BARS).map(([name, n]) =>
    make("li", {}, make("span", {}, name), make("span", { class: "value" }, `${grouped(n)} · ${percent(n / values.length)}`), bar(n / most))
  );
  const more = all.length - rows.length;
  if (more > 0) rows.push(make("li", {}, `and ${more} more`));
  return make("ul", { class: "shares counts" }, ...rows);
}

function histogram(values) {
  const low = values.reduce((a, b) => Math.min(a, b));
  const high = values.reduce((a, b) => Math.max(a, b));
  const bins = new Array(low < high ? BINS : 1).fill(0);
  for (const value of values) bins[Math.min(bins.length - 1, Math.floor(((value - low) / (high - low || 1)) * bins.length))]++;
  const most = Math.max(...bins);
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const width = 480 / bins.length;
  const svg = draw(
    "svg",
    { class: "histogram", viewBox: "0 0 480 140", role: "img", "aria-label": `From ${format(low)} to ${format(high)}, mean ${format(mean)}` },
    ...bins.map((n, i) => draw("rect", { x: i * width + 1, y: 140 - (138 * n) / most, width: width - 2, height: (138 * n) / most, rx: 1 }))
  );
  const ends = [format(low), `mean ${format(mean)}`, format(high)].map((text) => make("span", {}, text));
  return make("div", {}, svg, make("div", { class: "ends small" }, ...ends));
}

/** How the predictions compare with the truth, if the file has it. */
function agreement(predictions, model, { header, rows, failures }) {
  const column = model.target ? header.indexOf(model.target) : -1;
  if (column < 0 || model.features.some(({ name }) => name === model.target)) return "";
  const pairs = [];
  predictions.forEach((prediction, i) => {
    const truth = rows[i].cells[column];
    if (!failures.has(i) && truth !== "") pairs.push([prediction, truth]);
  });
  if (!pairs.length) return "";
  if (model.classes) {
    const right = pairs.filter(([prediction, truth]) => label(prediction) === truth).length;
    return `${grouped(right)} of ${grouped(pairs.length)} (${percent(right / pairs.length)}) are what the column “${model.target}” says.`;
  }
  const errors = pairs.map(([prediction, truth]) => Math.abs(prediction - Number(truth))).filter(Number.isFinite);
  if (!errors.length) return "";
  const mean = errors.reduce((a, b) => a + b, 0) / errors.length;
  return `On average ${format(mean)} away from the column “${model.target}”.`;
}
