/** Send a file as the body of a task, without reading it into memory. */

import { fetchWithKey, keyHeader } from "./key.js";
import { Refusal } from "./service.js";

const TYPES = { tsv: "text/tab-separated-values", ndjson: "application/x-ndjson", jsonl: "application/x-ndjson" };

/** The media type of a file, by the suffix of its name; CSV unless that says otherwise. */
export const mediaType = ({ name }) => TYPES[/\.(\w+)$/.exec(name)?.[1].toLowerCase()] ?? "text/csv";

/**
 * Hand a file in as a task, and give its id; `progress` is told the share of its bytes that are sent.
 *
 * The same file with the same `key` is one task, however often it is sent. Throws a Refusal, and an
 * AbortError if `signal` ends it.
 */
export async function upload(what, signal, progress) {
  for (;;) {
    const { status, answer } = await send(what, signal, progress);
    if (status === 202) return answer;
    if (status !== 401) throw new Refusal(status, answer);
    // The key was replaced while this page was open: whoever enters another one sends the file again.
    if (!(await fetchWithKey("metadata", { signal })).ok) throw new Refusal(status, answer);
  }
}

/** One request, by XMLHttpRequest: fetch does not tell how much of a body is sent. */
function send({ file, method, key }, signal, progress) {
  const request = new XMLHttpRequest();
  request.open("POST", `inference/start?method=${encodeURIComponent(method)}&extra=ignore`);
  const headers = { accept: "application/json", "content-type": mediaType(file), "idempotency-key": key, ...keyHeader() };
  for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
  request.upload.addEventListener("progress", ({ loaded, total }) => progress(total ? loaded / total : 1));
  return new Promise((resolve, reject) => {
    request.addEventListener("load", () => resolve({ status: request.status, answer: parsed(request.responseText) }));
    request.addEventListener("abort", () => reject(new DOMException("The file is not sent.", "AbortError")));
    request.addEventListener("error", () => {
      const detail = "The service cannot be reached, or the file was changed or moved since you chose it.";
      reject(new Refusal(0, { detail }));
    });
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

/** What stands in front of the service may answer with something else than JSON. */
function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}
