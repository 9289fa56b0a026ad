// The API key of a locked service, asked for when it is needed. The page at / has the same one, which
// this tab keeps until it is closed.
const KEY_NAME = "api-key";
let key = "";
try {
  key = sessionStorage.getItem(KEY_NAME) ?? "";
} catch {
  // The browser may refuse the storage; then the key is asked for on each page.
}

const keyHeader = () => (key ? { "x-api-key": key } : {});

// Show the document, and ask for a key before as long as the service wants another.
async function load(show) {
  for (;;) {
    const response = await fetch("openapi.json", { headers: keyHeader() });
    if (response.status !== 401) return show(await response.json());
    await askForKey(key ? "The service does not know this key." : "");
  }
}

function askForKey(problem) {
  const form = document.getElementById("key");
  const input = form.querySelector("input");
  form.querySelector("[role=alert]").textContent = problem;
  form.hidden = false;
  input.focus();
  return new Promise((resolve) => {
    form.onsubmit = (event) => {
      event.preventDefault();
      // A header holds nothing else.
      key = input.value.replace(/[^\x21-\x7e]/g, "");
      input.value = "";
      form.hidden = true;
      try {
        sessionStorage.setItem(KEY_NAME, key);
      } catch {
        // As above.
      }
      resolve();
    };
  });
}
