/** The request behind what is on screen, to paste elsewhere. */

import { $, make } from "./dom.js";
import { locked } from "./key.js";

export function curl(url, body) {
  const quoted = spaced(body).replaceAll("'", "'\\''");
  const key = locked() ? `  -H "authorization: Bearer $API_KEY" \\\n` : "";
  return `curl ${url} \\\n${key}  -H 'content-type: application/json' \\\n  -d '${quoted}'`;
}

export function python(url, body) {
  const row = literal(body, "    ");
  const [start, key] = locked()
    ? ["import os\n\n", `    headers={"Authorization": f"Bearer {os.environ['API_KEY']}"},\n`]
    : ["", ""];
  return `${start}import requests

answer = requests.post(
    ${literal(url)},
${key}    json=${row},
    timeout=10,
)
answer.raise_for_status()
print(answer.json()["predictions"])`;
}

/** JSON on one line, with spaces where it may be broken; within its strings there is no newline. */
function spaced(body) {
  const lines = JSON.stringify(body, null, 1);
  return lines.replace(/([[{])\n */g, "$1").replace(/\n *([\]}])/g, "$1").replace(/\n */g, " ");
}

/** A value of JSON as Python writes it; a string is the same in both. */
function literal(value, indent) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "object") return JSON.stringify(value);
  const list = Array.isArray(value);
  const items = Object.entries(value).map(
    ([name, inner]) => (list ? "" : `${JSON.stringify(name)}: `) + literal(inner)
  );
  const [open, close] = list ? "[]" : "{}";
  if (!indent || !items.length) return open + items.join(", ") + close;
  return `${open}\n${items.map((item) => `${indent}    ${item},\n`).join("")}${indent}${close}`;
}

export function initRequest(model) {
  let body = null;
  const methods = $("method");
  const chosen = methods.value;
  methods.replaceChildren(...model.methods.map((method) => make("option", {}, method)));
  methods.value = model.methods.includes(chosen) ? chosen : model.answers;
  const show = () => {
    const url = new URL(methods.value, document.baseURI).href;
    $("curl").textContent = curl(url, body);
    $("python").textContent = python(url, body);
  };
  methods.onchange = show;
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.onclick = () => copy($(button.dataset.copy), button);
  }
  return (row) => {
    body = row;
    show();
  };
}

async function copy(element, button) {
  try {
    await navigator.clipboard.writeText(element.textContent);
  } catch {
    // Only pages from https or from this machine have a clipboard; all have a selection.
    getSelection().selectAllChildren(element);
    document.execCommand("copy");
  }
  button.firstChild.textContent = "Copied";
  $("copied").textContent = `Copied ${element.id}.`;
  setTimeout(() => {
    button.firstChild.textContent = "Copy";
    $("copied").textContent = "";
  }, 2000);
}
