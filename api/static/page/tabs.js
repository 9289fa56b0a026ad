/** The tabs of the page: one is shown, the address names it, and arrow keys move between them. */

import { $ } from "./dom.js";

const tabs = [...document.querySelectorAll('[role="tab"]')];
const panel = (tab) => $(tab.getAttribute("aria-controls"));
const named = () => tabs.find((tab) => location.hash === `#${panel(tab).id}`) ?? tabs[0];

let opened = () => {};

/** Show the tab that the address names, now and whenever that changes; `callback` gets its name. */
export function initTabs(callback) {
  opened = callback;
  for (const tab of tabs) {
    tab.addEventListener("click", () => open(tab));
    tab.addEventListener("keydown", (event) => {
      const next = neighbour(tab, event.key);
      if (!next) return;
      event.preventDefault();
      open(next);
      next.focus();
    });
  }
  // Other fragments, as that of the link to the form, lead into the first tab.
  window.addEventListener("hashchange", () => {
    show(named());
    $(location.hash.slice(1))?.scrollIntoView();
  });
  show(named());
}

function neighbour(tab, key) {
  const place = tabs.indexOf(tab);
  const places = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: -1 };
  return key in places ? tabs.at(places[key] % tabs.length) : null;
}

function open(tab) {
  history.replaceState(null, "", tab === tabs[0] ? location.pathname + location.search : `#${panel(tab).id}`);
  show(tab);
}

function show(tab) {
  for (const each of tabs) {
    each.setAttribute("aria-selected", String(each === tab));
    each.tabIndex = each === tab ? 0 : -1;
    panel(each).hidden = each !== tab;
  }
  opened(panel(tab).id);
}
