// What every page of a model has: its title, its state, its answers in time.

export const find = (id) => document.getElementById(id);

export function element(tag, text, properties = {}) {
  return Object.assign(document.createElement(tag), { textContent: text, ...properties });
}

export function refusal(detail) {
  return element("p", detail, { className: "error" });
}

const KEY = "api-key"; // of this tab alone

// Like fetch, with the API key that was typed in; asks for one where it is missing or wrong.
export async function call(route, options = {}) {
  const headers = new Headers(options.headers);
  const key = sessionStorage.getItem(KEY);
  if (key) headers.set("Authorization", `Bearer ${key}`);
  const response = await fetch(route, { ...options, headers });
  if (response.status === 401) find("access").hidden = false;
  return response;
}

// What a command of curl needs where there is a key; the key itself stays out of sight.
export function keyOption() {
  return sessionStorage.getItem(KEY) ? ' -H "Authorization: Bearer $API_KEY"' : "";
}

// What a response says that is no answer; a proxy's may say nothing that can be shown.
export async function refusalOf(response) {
  const { detail, error } = await response.json().catch(() => ({}));
  const said = detail ?? error?.message;
  return refusal(said ?? `The service answered with status ${response.status}.`);
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
  return `curl ${options} ${quoted(url(route))}${keyOption()} ${type} -d ${quoted(body)}`;
}

export function modelLine({ name, version }, milliseconds) {
  return element("p", `Model ${name}, version ${version}, in ${milliseconds} ms`, {
    className: "quiet",
  });
}

// What the service says of its model; nothing where it says nothing.
export const model = call("model")
  .then((response) => (response.ok ? response.json() : Promise.reject(response)))
  .catch(() => ({ metrics: {}, labels: [], examples: [] }));

function* factsOf({ name, version, task, created_at, metrics, labels }) {
  yield ["Name", `${name}, version ${version}`];
  yield ["Task", task.replaceAll("-", " ")];
  yield ["Made", new Date(created_at).toLocaleDateString()];
  const measured = Object.entries(metrics);
  for (const [metric, value] of measured) yield [metric.replaceAll("_", " "), value.toPrecision(3)];
  if (labels.length) yield [`${labels.length} labels`, labels.join(", ")];
}

async function describePage() {
  const known = await model;
  if (!known.name) return;
  document.title = known.title;
  find("title").textContent = known.title;
  find("description").textContent = known.description;
  for (const [name, value] of factsOf(known)) {
    find("card").append(element("dt", name), element("dd", value));
  }
  find("starter").hidden = !known.starter;
}

// Show the repository's examples; `describe` gives what stands on the button of one, and what is
// done when it is pressed.
export async function showExamples(describe) {
  const buttons = (await model).examples.map(async (example) => {
    const [face, act] = await describe(example, `examples/${encodeURIComponent(example.file)}`);
    const button = element("button", "", { type: "button", title: example.file });
    button.append(face);
    button.addEventListener("click", act);
    const item = element("li", "");
    item.append(button);
    return item;
  });
  find("examples").append(...(await Promise.all(buttons)));
  find("gallery").hidden = !buttons.length;
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

find("access").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, find("key").value.trim());
  location.reload();
});
find("copy").addEventListener("click", () => {
  getSelection().selectAllChildren(find("shell"));
  const isCopied = document.execCommand("copy"); // navigator.clipboard is missing without HTTPS
  find("copy").textContent = isCopied ? "Copied" : "Selected: copy it by hand";
});

describePage();
watch();
