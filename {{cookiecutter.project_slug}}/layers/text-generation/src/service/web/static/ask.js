// A text that goes on, piece by piece, as the model finds it.

import { element, find, postCommand, refusal, refusalOf, setBusy, showCommand } from "./page.js";

const headers = { "Content-Type": "application/json" };
let newest = new AbortController(); // of the newest question

// What the form says; a number that is left out is left to the service.
function question() {
  const numbers = ["max_new_tokens", "temperature", "seed"]
    .map((name) => [name, find(name).valueAsNumber])
    .filter(([, value]) => !Number.isNaN(value));
  return { text: find("text").value, ...Object.fromEntries(numbers), stream: true };
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
      const data = lines.find((line) => line.startsWith("data: "));
      if (data) yield { isError: lines.includes("event: error"), ...JSON.parse(data.slice(6)) };
    }
  }
}

function ending({ finish_reason, usage }, milliseconds) {
  const how = finish_reason === "length" ? "Cut off at the limit" : "Complete";
  const line = `${how}. Tokens: ${usage.completion_tokens}, in ${milliseconds} ms`;
  return element("p", line, { className: "quiet" });
}

// Write the answer to `body` into `text`, and return what is to be said behind it.
async function write(text, body, signal) {
  const started = performance.now();
  const response = await fetch("generate", { method: "POST", headers, body, signal });
  if (!response.ok) return refusalOf(response);
  for await (const event of eventsOf(response)) {
    if (event.isError) return refusal(event.detail);
    text.append(event.text);
    if (event.finish_reason) return ending(event, Math.round(performance.now() - started));
  }
  return refusal("The answer broke off.");
}

function setWriting(isWriting) {
  setBusy(isWriting);
  find("stop").disabled = !isWriting;
}

async function ask() {
  newest.abort();
  const mine = (newest = new AbortController());
  const asked = question();
  const body = JSON.stringify(asked);
  showCommand(postCommand("generate", body, "--no-buffer"));
  const text = element("p", "", { className: "generated" });
  text.append(element("span", asked.text, { className: "quiet" }));
  find("result").replaceChildren(text);
  setWriting(true);
  let end;
  try {
    end = await write(text, body, mine.signal);
  } catch {
    end = mine.signal.aborted
      ? element("p", "Stopped.", { className: "quiet" })
      : refusal("The service does not answer.");
  }
  if (mine !== newest) return; // another question has taken the place
  text.after(end);
  setWriting(false);
}

find("form").addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
find("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) find("form").requestSubmit();
});
find("stop").addEventListener("click", () => newest.abort());
