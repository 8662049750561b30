// What every page of a model has: its title, its state, its answers in time.

export const find = (id) => document.getElementById(id);

export function element(tag, text, properties = {}) {
  return Object.assign(document.createElement(tag), { textContent: text, ...properties });
}

export function refusal(detail) {
  return element("p", detail, { className: "error" });
}

// What a response says that is no answer; a proxy's may say nothing that can be shown.
export async function refusalOf(response) {
  const { detail } = await response.json().catch(() => ({}));
  return refusal(detail ?? `The service answered with status ${response.status}.`);
}

export function setBusy(isBusy) {
  find("result").ariaBusy = isBusy; // a screen reader waits for the whole answer
}

export function showCommand(command) {
  find("shell").textContent = command;
  find("copy").textContent = "Copy";
  find("command").hidden = !command;
}

let asked = 0; // only the answer to the newest question is shown

// Show what `send` is answered; `describe` makes elements of the answer and the milliseconds.
export async function ask(shell, send, describe) {
  const mine = ++asked;
  showCommand(shell);
  showNote("Waiting for the answer…");
  setBusy(true);
  let shown;
  try {
    const started = performance.now();
    const response = await send();
    if (response.ok) {
      const answer = await response.json();
      shown = [...describe(answer, Math.round(performance.now() - started))];
    } else {
      shown = [await refusalOf(response)];
    }
  } catch {
    shown = [refusal("The service does not answer.")];
  }
  if (mine !== asked) return;
  find("result").replaceChildren(...shown);
  setBusy(false);
}

// Show no answer, nor the one that is awaited.
export function forget() {
  asked++;
  showCommand("");
  showNote("No answer yet.");
  setBusy(false);
}

function showNote(text) {
  find("result").replaceChildren(element("p", text, { className: "quiet" }));
}

export function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

export function url(route) {
  return new URL(route, location.href).href;
}

// The command that sends JSON to a route.
export function postCommand(route, body, options = "--silent") {
  const type = "-H 'Content-Type: application/json'";
  return `curl ${options} ${quoted(url(route))} ${type} -d ${quoted(body)}`;
}

export function modelLine({ name, version }, milliseconds) {
  return element("p", `Model ${name}, version ${version}, in ${milliseconds} ms`, {
    className: "quiet",
  });
}

async function describePage() {
  const { info } = await (await fetch("openapi.json")).json();
  document.title = info.title;
  find("title").textContent = info.title;
  find("description").textContent = info.description;
}

async function watch() {
  const state = find("state");
  let isReady = false;
  try {
    const response = await fetch("readyz");
    isReady = response.ok;
    state.textContent = isReady ? "Ready" : (await response.json()).detail;
  } catch {
    state.textContent = "The service does not answer.";
  }
  state.className = `state ${isReady ? "ready" : "down"}`;
  setTimeout(watch, isReady ? 10000 : 1000);
}

find("copy").addEventListener("click", () => {
  getSelection().selectAllChildren(find("shell"));
  const isCopied = document.execCommand("copy"); // navigator.clipboard is missing without HTTPS
  find("copy").textContent = isCopied ? "Copied" : "Selected: copy it by hand";
});

describePage();
watch();
