/** What the service says of the model, and how it is asked. Source: `/metadata`. */

import { fetchWithKey } from "./key.js";
import { heed } from "./version.js";

// Until a service that cannot be reached is asked again.
const RETRY_SECONDS = 5;

/** An answer that is none, with the service's own words (problem details, RFC 9457). */
export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `The service answered with status ${status}.`);
    this.status = status;
    this.errors = Array.isArray(problem.errors) ? problem.errors : [];
  }
}

// What only this page asks is neither kept nor counted among the predictions of the service.
const UNLOGGED = { "x-prediction-log": "off" };

/** Ask the model. Throws a Refusal, also where another version than `version` answers. */
export async function post(path, body, { signal, type = "application/json", version = "", logged = true } = {}) {
  const headers = { "content-type": type, accept: "application/json", ...(logged ? {} : UNLOGGED) };
  const response = await reach(path, { method: "POST", body, signal, headers });
  if (version && (response.headers.get("x-model-version") ?? version) !== version) {
    throw new Refusal(0, { detail: "The model was replaced meanwhile: choose the file again, and one version answers all of its rows." });
  }
  const answer = await response.json().catch((error) => {
    // What stands in front of the service may answer with something else.
    if (error instanceof SyntaxError) return {};
    throw error;
  });
  if (!response.ok) throw new Refusal(response.status, answer);
  return answer;
}

/** Fetch, and once more where the network has failed: every request of this page may be repeated. */
async function reach(path, options) {
  for (let again = true; ; again = false) {
    try {
      const response = await fetchWithKey(path, options);
      heed(response);
      return response;
    } catch (error) {
      if (error.name === "AbortError") throw error;
      if (!again) throw new Refusal(0, { detail: "The service cannot be reached." });
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }
}

/** Ask for something: the status and the JSON of the answer, and in how many seconds to ask again.
 *  `id` is that of the prediction, if the service has kept it. */
export async function ask(path, options) {
  try {
    const response = await reach(path, { headers: { accept: "application/json" }, ...options });
    const answer = (await response.json().catch(() => null)) ?? {};
    const { headers, status } = response;
    return { status, answer, wait: Number(headers.get("retry-after")) || RETRY_SECONDS, id: headers.get("x-prediction-id") };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { status: 0, answer: { detail: error.message }, wait: RETRY_SECONDS };
  }
}

/** Send JSON that the service is to keep, and take any answer. */
export const tell = (method, path, body) =>
  ask(path, { method, body, headers: { "content-type": "application/json", accept: "application/json" } });

/** The steps of a JSON Pointer, RFC 6901. */
export const steps = (pointer) =>
  pointer.split("/").slice(1).map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));

const own = (object, name) => (Object.hasOwn(object ?? {}, name) ? object[name] : undefined);

/** When a version was added, and the version that served before it; empty where none are kept. */
async function history(version) {
  const response = await reach("model/versions", { headers: { accept: "application/json" } }).catch(() => null);
  const { versions = [], before } = (response?.ok && (await response.json().catch(() => null))) || {};
  const find = (wanted) => versions.find((each) => each.version === wanted);
  return { added: find(version)?.added ?? "", before: before === version ? undefined : find(before) };
}

export class Model {
  constructor(metadata) {
    Object.assign(this, { name: "model", ...metadata });
    this.card ??= {};
    const facts = Array.isArray(this.card.features) ? {} : this.card.features;
    for (const feature of this.features) feature.seen = own(facts, feature.name) ?? {};
    this.answers = this.methods.includes("predict") ? "predict" : this.methods[0];
    this.scores = ["predict_proba", this.classes ? "decision_function" : ""].find((method) =>
      this.methods.includes(method)
    );
    this.target = typeof this.card.target === "string" ? this.card.target : "";
  }

  static async load() {
    const response = await reach("metadata", { headers: { accept: "application/json" } });
    if (!response.ok) {
      const { detail } = await response.json().catch(() => ({}));
      throw new Error(detail ?? `/metadata answered with status ${response.status}.`);
    }
    const model = new Model(await response.json());
    Object.assign(model, await history(model.version));
    return model;
  }

  /** The example as one value for each feature, in the model's order. */
  exampleValues() {
    return this.features.map((feature, i) => {
      const value = Array.isArray(this.example) ? this.example[i] : own(this.example, feature.name);
      return value ?? null;
    });
  }

  /** A row as an object: fromEntries makes even "__proto__" a name like any other. */
  object(values) {
    return Object.fromEntries(this.features.map((feature, i) => [feature.name, values[i]]));
  }

  /** A name for each of the numbers that stand for one row. */
  names(method, width) {
    if (method === "predict_proba" || this.classes?.length === width) {
      if (!Array.isArray(this.classes?.[0])) return this.classes.map(String);
      return this.classes.flatMap((labels, i) => labels.map((label) => `${i + 1}: ${label}`));
    }
    if (width === 1) return [method === "predict" ? this.target || "prediction" : method];
    return Array.from({ length: width }, (_, i) => `output ${i + 1}`);
  }
}

/** All numbers of one prediction; none if it is a label. */
export function numbers(prediction) {
  const flat = [prediction].flat(Infinity).map((value) =>
    value === null ? NaN : /^-?Infinity$/.test(value) ? Number(value) : value
  );
  return flat.every((value) => typeof value === "number") ? flat : [];
}

export const label = (prediction) =>
  typeof prediction === "object" && prediction !== null
    ? JSON.stringify(prediction)
    : String(prediction);
