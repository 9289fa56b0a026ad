/** The tasks of this browser: those it has sent are remembered, and followed until they end. */

import { $ } from "./dom.js";
import { Task } from "./task.js";

const MAX_REMEMBERED = 20;
// Several services may have one origin, each below a path of its own.
const NAME = `tasks ${new URL(".", document.baseURI).pathname}`;

let tasks = [];

/** Show the tasks that this browser remembers, and follow them. */
export function initTasks() {
  synchronize();
  window.addEventListener("storage", ({ key }) => key === NAME && synchronize());
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    for (const task of tasks) if (task.waits) task.follow();
  });
  window.addEventListener("beforeunload", (event) => {
    if (tasks.some(({ state }) => state === "SENDING")) event.preventDefault();
  });
}

/** Send a file as a task, whose rows `method` answers. */
export function sendAsTask(file, method) {
  const task = add({ name: file.name });
  $("tasks").hidden = false;
  // With this key, a file that is sent twice is one task.
  const key = [...crypto.getRandomValues(new Uint8Array(16))].join("-");
  task.send({ file, method, key });
  task.title.focus();
}

/** The newest come first. */
function add(facts) {
  const task = new Task(facts, (removed) => change(task, removed));
  tasks.unshift(task);
  $("tasks-list").prepend(task.element);
  return task;
}

/** A task has its id, or was removed. Other tabs may have changed the list meanwhile. */
function change(task, removed) {
  const others = stored().filter(({ id }) => id !== task.id);
  if (removed) tasks = tasks.filter((each) => each !== task);
  store(removed ? others : [...others, { id: task.id, name: task.name, time: task.time }]);
  $("tasks").hidden = !tasks.length;
}

/** Show what is stored: a task of another tab appears, and one that it removed goes. */
function synchronize() {
  const facts = stored();
  for (const task of tasks.filter(({ id }) => id && !facts.some((each) => each.id === id))) task.remove();
  for (const each of facts) if (!tasks.some(({ id }) => id === each.id)) add(each).follow();
  $("tasks").hidden = !tasks.length;
}

/** The id, the name of the file and the time of each task; nothing of its rows. */
function stored() {
  try {
    const found = JSON.parse(localStorage.getItem(NAME)) ?? [];
    return found.filter(({ id, name, time }) => /^\w+$/.test(id) && typeof name === "string" && Number.isFinite(time));
  } catch {
    // A browser may refuse to store anything, and anything may be stored there.
    return [];
  }
}

function store(facts) {
  try {
    localStorage.setItem(NAME, JSON.stringify(facts.slice(-MAX_REMEMBERED)));
  } catch {
    // The tasks are known until this tab is closed.
  }
}
