// A text that goes on, or a conversation, piece by piece as the model finds it.

import {
  call,
  element,
  find,
  forget,
  model,
  postCommand,
  refusal,
  refusalOf,
  setBusy,
  showCommand,
  showExamples,
} from "./page.js";

const headers = { "Content-Type": "application/json" };
const NUMBERS = ["max_new_tokens", "temperature", "top_p", "top_k", "repetition_penalty", "seed"];
let newest = new AbortController(); // of the newest question
let messages = []; // of the conversation

const isChat = () => document.querySelector("input[name=mode]:checked").value === "chat";

// What the form says of the answer; what is left empty is left to the service.
function options() {
  const numbers = NUMBERS.map((name) => [name, find(name).valueAsNumber]);
  const given = Object.fromEntries(numbers.filter(([, value]) => !Number.isNaN(value)));
  if (find("stop_text").value) given.stop = [find("stop_text").value];
  return given;
}

function chatBody(known) {
  const { max_new_tokens: max_tokens, ...others } = options();
  return { model: known.name, messages, max_tokens, ...others, stream: true };
}

// The data of each server-sent event; comments, which only keep the connection alive, are left out.
async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop(); // an event that has come in part
    for (const block of blocks) {
      const lines = block.split("\n");
      const data = lines.find((line) => line.startsWith("data: "))?.slice(6);
      if (data && data !== "[DONE]") {
        yield { isError: lines.includes("event: error"), ...JSON.parse(data) };
      }
    }
  }
}

// The text and the end in an event of either route.
function pieceOf(event) {
  const { delta, finish_reason } = event.choices?.[0] ?? {};
  return event.choices ? { text: delta.content ?? "", finish_reason } : event;
}

function ending({ finish_reason, usage }, milliseconds) {
  const how = finish_reason === "length" ? "Cut off at the limit" : "Complete";
  const count = usage ? ` Tokens: ${usage.completion_tokens}, in` : " In";
  return element("p", `${how}.${count} ${milliseconds} ms`, { className: "quiet" });
}

// Write the answer to `body` into `text`, and return what is to be said behind it.
async function write(text, route, body, signal) {
  const started = performance.now();
  const response = await call(route, { method: "POST", headers, body, signal });
  if (!response.ok) return refusalOf(response);
  for await (const event of eventsOf(response)) {
    if (event.isError) return refusal(event.detail ?? event.error.message);
    const piece = pieceOf(event);
    text.append(piece.text);
    if (piece.finish_reason) return ending(piece, Math.round(performance.now() - started));
  }
  return refusal("The answer broke off.");
}

function setWriting(isWriting) {
  setBusy(isWriting);
  find("stop").disabled = !isWriting;
}

function turn({ role, content }) {
  const made = element("p", content, { className: `turn ${role}` });
  made.setAttribute("aria-label", role);
  return made;
}

async function ask() {
  newest.abort();
  const mine = (newest = new AbortController());
  const asked = find("text").value;
  const known = await model;
  const text = element("p", "", { className: "generated" });
  let route = "generate";
  let body;
  if (isChat()) {
    route = "v1/chat/completions";
    messages = [...messages, { role: "user", content: asked }];
    body = JSON.stringify(chatBody(known));
    text.className = "generated turn assistant";
    find("text").value = "";
    find("result").replaceChildren(...messages.map(turn), text);
  } else {
    body = JSON.stringify({ text: asked, ...options(), stream: true });
    text.append(element("span", asked, { className: "quiet" }));
    find("result").replaceChildren(text);
  }
  showCommand(postCommand(route, body, "--no-buffer"));
  setWriting(true);
  let end;
  try {
    end = await write(text, route, body, mine.signal);
  } catch {
    end = mine.signal.aborted
      ? element("p", "Stopped.", { className: "quiet" })
      : refusal("The service does not answer.");
  }
  if (mine !== newest) return; // another question has taken the place
  if (isChat()) {
    const content = text.textContent;
    messages = content ? [...messages, { role: "assistant", content }] : messages.slice(0, -1);
  }
  text.after(end);
  setWriting(false);
}

function clear() {
  newest.abort();
  newest = new AbortController();
  messages = [];
  find("text").value = "";
  forget();
  find("stop").disabled = true;
}

function choose(mode) {
  clear();
  document.querySelector(`input[name=mode][value=${mode}]`).checked = true;
  find("text").placeholder = mode === "chat" ? "Your message" : "The beginning of a text";
}

find("form").addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
find("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) find("form").requestSubmit();
});
find("modes").addEventListener("change", (event) => choose(event.target.value));
find("stop").addEventListener("click", () => newest.abort());
find("clear").addEventListener("click", clear);
find("modes").hidden = !(await model).has_chat;
showExamples(async ({ route }, address) => {
  const example = await (await call(address)).json();
  const text = example.text ?? example.prompt ?? example.messages.at(-1).content;
  return [
    element("span", text),
    () => {
      choose(route.endsWith("/chat/completions") ? "chat" : "generate");
      find("text").value = text;
      find("form").requestSubmit();
    },
  ];
});
