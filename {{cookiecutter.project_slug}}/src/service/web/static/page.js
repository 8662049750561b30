// What every page of a model has: its title, its state, its answers in time.

export const find = (id) => document.getElementById(id);

export function element(tag, text, properties = {}) {
  return Object.assign(document.createElement(tag), { textContent: text, ...properties });
}

export function refusal(detail) {
  return element("p", detail, { className: "error" });
}

let asked = 0; // only the answer to the newest question is shown

// Show what `send` is answered; `describe` makes elements of the answer and the milliseconds.
export async function ask(shell, send, describe) {
  const mine = ++asked;
  find("shell").textContent = shell;
  let shown;
  try {
    const started = performance.now();
    const response = await send();
    const answer = await response.json();
    const milliseconds = Math.round(performance.now() - started);
    shown = response.ok ? [...describe(answer, milliseconds)] : [refusal(answer.detail)];
  } catch {
    shown = [refusal("The service does not answer.")];
  }
  if (mine === asked) find("result").replaceChildren(...shown);
}

export function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

export function url(route) {
  return new URL(route, location.href).href;
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

describePage();
watch();
