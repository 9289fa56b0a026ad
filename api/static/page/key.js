/** The API key of a locked service: asked for when it is needed, kept until the tab is closed. */

import { $ } from "./dom.js";

const NAME = "api-key";
// What a header can hold, but for blanks.
const KEY = /^[\x21-\x7e]+$/;

/** The storage of this tab, which the browser may refuse. */
function storage() {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}

let key = storage()?.getItem(NAME) ?? "";
let asking = null;

/** Whether there is a key, and so a lock. */
export const locked = () => key !== "";

/** The header that carries the key; Authorization may be a proxy's. */
export const keyHeader = () => (locked() ? { "x-api-key": key } : {});

/** Fetch with the key, and ask for one as long as the service wants another. */
export async function fetchWithKey(path, options = {}) {
  for (;;) {
    const used = key;
    const headers = { ...options.headers, ...keyHeader() };
    const response = await fetch(path, { ...options, headers });
    if (response.status !== 401) return response;
    if (key === used) {
      asking ??= ask(used && "The service does not know this key.").finally(() => (asking = null));
      // Whoever would rather not enter one gets the service's own words.
      if (!(await asking)) return response;
    }
  }
}

/** Let a person enter a key; false if they would rather not. */
function ask(problem) {
  const [dialog, form, input] = [$("key"), $("key-form"), $("key-input")];
  const say = (text) => {
    $("key-problem").textContent = text;
    $("key-problem").hidden = !text;
    input.setAttribute("aria-invalid", String(Boolean(text)));
  };
  say(problem);
  dialog.showModal();
  return new Promise((resolve) => {
    form.onsubmit = (event) => {
      event.preventDefault();
      const entered = input.value.trim();
      if (!KEY.test(entered)) {
        say("A key has letters, digits and signs, and no blanks.");
        return;
      }
      key = entered;
      storage()?.setItem(NAME, key);
      dialog.close("entered");
    };
    dialog.onclose = () => {
      resolve(dialog.returnValue === "entered");
      dialog.returnValue = "";
      input.value = "";
    };
  });
}
