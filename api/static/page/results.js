/** The results of a task: as downloads, and the first of them as a table. */

import { format, grouped, make, percent } from "./dom.js";
import { fetchWithKey, locked } from "./key.js";
import { ask, label } from "./service.js";

const PREVIEW_ROWS = 20;
const PREVIEW_CLASSES = 3;
// More rows should not be gathered in a browser before they are saved.
const MANY_ROWS = 1_000_000;

/** The element that offers them; `details` within it asks for the first rows when it is opened. */
export function resultsOf({ id, name }, rows) {
  const problem = make("p", { class: "fault", role: "alert" });
  const links = [
    link(id, name, "csv", "button", problem),
    link(id, name, "ndjson", "button quiet", problem),
  ];
  const preview = make("details", {}, make("summary", {}, "The first rows"));
  preview.addEventListener("toggle", () => fill(preview, id, name), { once: true });
  const note = locked() && rows > MANY_ROWS ? [byCurl(id)] : [];
  return make("div", {}, make("p", { class: "links" }, ...links), ...note, problem, preview);
}

const path = (id, form) => `inference/results/${id}?format=${form}`;

function link(id, name, form, kind, problem) {
  const said = make("span", { class: "said" }, ` of ${name}`);
  const file = `${name.replace(/\.\w+$/, "")}-predictions.${form}`;
  const made = make("a", { class: kind, href: path(id, form), download: file }, `Download ${form.toUpperCase()}`, said);
  made.addEventListener("click", (event) => {
    // A link goes straight to the disk, but cannot send a key.
    if (!locked()) return;
    event.preventDefault();
    save(made, file, problem);
  });
  return made;
}

/** Download with the key: the browser gathers everything before it is saved. */
async function save({ href }, file, problem) {
  problem.textContent = "";
  try {
    const response = await fetchWithKey(href);
    if (!response.ok) throw new Error((await response.json()).detail);
    const url = URL.createObjectURL(await response.blob());
    make("a", { href: url, download: file }).click();
    // The browser holds it itself once it has begun to save.
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  } catch (error) {
    problem.textContent = `The results were not downloaded: ${error.message}`;
  }
}

function byCurl(id) {
  const url = new URL(path(id, "csv"), document.baseURI).href;
  const command = `curl -o predictions.csv -H "authorization: Bearer $API_KEY" '${url}'`;
  const why = "A link cannot send the key, so the browser gathers all rows before it saves them. curl writes them as they come: ";
  return make("p", { class: "small" }, why, make("code", {}, command));
}

async function fill(preview, id, name) {
  const { status, answer } = await ask(`inference/results/${id}?limit=${PREVIEW_ROWS}`);
  if (status !== 200) return preview.append(make("p", { class: "fault" }, answer.detail ?? `The service answered with status ${status}.`));
  const { method, predictions, ranked } = answer;
  const rows = predictions.map((value, i) => {
    const cells = [grouped(i + 1), typeof value === "number" ? format(value) : label(value)];
    if (ranked) cells.push(ranked[i].slice(0, PREVIEW_CLASSES).map(chance).join(", "));
    return make("tr", {}, ...cells.map((text) => make("td", {}, text)));
  });
  const names = ["Row", method === "predict" ? "Prediction" : method, ...(ranked ? ["Probabilities"] : [])];
  const head = make("tr", {}, ...names.map((text) => make("th", { scope: "col" }, text)));
  const region = { class: "scroll", tabindex: "0", role: "region", "aria-label": `The first rows of ${name}` };
  preview.append(make("div", region, make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows))));
}

const chance = ({ label: name, probability }) => `${label(name)} ${percent(probability ?? NaN)}`;
