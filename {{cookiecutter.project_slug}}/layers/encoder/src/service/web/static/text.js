// A text that is typed, and asked about.

import { ask, find, postCommand } from "./page.js";

// Ask the model when the form is sent; `describe` makes elements of the answer, the milliseconds and
// the text.
export function whenAsked(describe) {
  find("form").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = find("text").value;
    const body = JSON.stringify({ text });
    const headers = { "Content-Type": "application/json" };
    const send = () => fetch("predict", { method: "POST", headers, body });
    ask(postCommand("predict", body), send, (answer, milliseconds) => describe(answer, milliseconds, text));
  });
  find("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) find("form").requestSubmit();
  });
}
