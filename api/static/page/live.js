/** Live figures of the service, from `/metrics`. */

import { $, format, grouped, make } from "./dom.js";
import { keyHeader } from "./key.js";
import { heed } from "./version.js";

const EVERY = 3000;

/** The samples of a text in the exposition format of Prometheus. */
export function samples(text) {
  const found = [];
  for (const line of text.split("\n")) {
    const [, name, labels, value] = /^(\w+)(?:\{(.*)\})? (\S+)/.exec(line) ?? [];
    if (!name) continue;
    const pairs = (labels ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g);
    found.push({ name, labels: new Map([...pairs].map((pair) => pair.slice(1))), value: Number(value.replace("Inf", "Infinity")) });
  }
  return found;
}

/** The quantile of a histogram, estimated as Prometheus does: evenly within a bucket. */
export function quantile(share, buckets) {
  const bounds = [...buckets.keys()].sort((a, b) => a - b);
  const total = buckets.get(Infinity) ?? 0;
  if (!total) return NaN;
  let [under, below] = [0, 0];
  for (const bound of bounds) {
    const upto = buckets.get(bound);
    if (upto >= share * total) {
      if (bound === Infinity) return under;
      return under + ((bound - under) * (share * total - below)) / (upto - below);
    }
    [under, below] = [bound, upto];
  }
  return NaN;
}

/** What has been asked of the model: everything that was sent to it by POST. */
export function figures(all) {
  const asked = all.filter((s) => s.name === "http_requests_total" && s.labels.get("method") === "POST");
  const routes = new Set(asked.map((s) => s.labels.get("route")));
  const buckets = new Map();
  for (const { name, labels, value } of all) {
    if (name !== "http_request_duration_seconds_bucket" || !routes.has(labels.get("route"))) continue;
    const bound = Number(labels.get("le").replace("+Inf", "Infinity"));
    buckets.set(bound, (buckets.get(bound) ?? 0) + value);
  }
  const sum = (chosen) => chosen.reduce((total, { value }) => total + value, 0);
  const status = (start) => sum(asked.filter((s) => s.labels.get("status").startsWith(start)));
  return {
    requests: sum(asked),
    rows: sum(all.filter((s) => s.name === "prediction_rows_total")),
    median: quantile(0.5, buckets),
    slow: quantile(0.95, buckets),
    refused: status("4"),
    // 501 says that this model cannot be explained, which the page asks of every model.
    failed: status("5") - status("501"),
  };
}

const time = (seconds) => (Number.isFinite(seconds) ? `${format(Number((1000 * seconds).toPrecision(2)))} ms` : "–");

export function initLive() {
  const shown = new Map();
  for (const [key, title] of [
    ["requests", "Requests to the model"],
    ["rows", "Rows answered"],
    ["median", "Half are faster than"],
    ["slow", "95 % are faster than"],
    ["refused", "Refused (4xx)"],
    ["failed", "Failed (5xx, not 501)"],
  ]) {
    const value = make("dd", {}, "–");
    shown.set(key, value);
    $("figures").append(make("div", {}, make("dt", {}, title), value));
  }
  const show = async () => {
    if (document.visibilityState !== "visible") return;
    try {
      const response = await fetch("metrics", { headers: { accept: "text/plain", ...keyHeader() } });
      heed(response);
      if (!response.ok) return;
      for (const [key, value] of Object.entries(figures(samples(await response.text())))) {
        shown.get(key).textContent = key === "median" || key === "slow" ? time(value) : grouped(value);
      }
    } catch {
      for (const value of shown.values()) value.textContent = "–";
    }
  };
  show();
  setInterval(show, EVERY);
  document.addEventListener("visibilitychange", show);
}
