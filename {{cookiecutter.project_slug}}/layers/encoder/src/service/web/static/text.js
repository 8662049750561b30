// A text that is typed, or an example, and sent to the model.

import { ask, call, element, find, postCommand, showExamples } from "./page.js";

// Ask the model when the form is sent; `describe` makes elements of the answer, the milliseconds and
// the text.
export function whenAsked(describe) {
  find("form").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = find("text").value;
    const body = JSON.stringify({ text });
    const headers = { "Content-Type": "application/json" };
    const send = () => call("predict", { method: "POST", headers, body });
    ask(postCommand("predict", body), send, (answer, milliseconds) => describe(answer, milliseconds, text));
  });
  find("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) find("form").requestSubmit();
  });
  showExamples(async (_example, address) => {
    const text = (await (await call(address)).text()).trim();
    return [
      element("span", text),
      () => {
        find("text").value = text;
        find("form").requestSubmit();
      },
    ];
  });
}
