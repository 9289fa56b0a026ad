/** A file: answered in a run of this page, or offered to the service as a task. */

import { write } from "./csv.js";
import { $, count, grouped, size } from "./dom.js";
import { showDistribution, showFailures } from "./outcome.js";
import { read, Run } from "./run.js";
import { sendAsTask } from "./tasks.js";
import { mediaType } from "./upload.js";

// No browser has longer texts than half a gigabyte.
const MAX_FORM_BYTES = 256e6;

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
