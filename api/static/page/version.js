/** Which version of the model answers: each answer names it, and the page follows a change. */

// Instances of one service may answer by two versions for a while: the page follows no faster.
const PAUSE = 1000;

let drawn = "";
let replaced = null;
let due = 0;

/** Call `callback` once an answer is by another version than the page is drawn for. */
export function follow(version, callback) {
  drawn = version;
  replaced = callback;
}

/** The page is drawn for this version now. */
export function redrawn(version) {
  drawn = version;
  due = performance.now() + PAUSE;
}

/** Look at the version of an answer. */
export function heed(response) {
  const version = response.headers.get("x-model-version");
  if (!replaced || !version || version === drawn || performance.now() < due) return;
  due = Infinity;
  replaced(version);
}
