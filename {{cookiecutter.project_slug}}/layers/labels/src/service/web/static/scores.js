// An answer of one label, with the scores of the others.

import { element, modelLine } from "./page.js";

export function* describeScores(answer, milliseconds) {
  yield element("p", answer.prediction, { className: "label" });
  const scores = element("ul", "", { className: "scores" });
  for (const { label, score } of answer.scores) {
    const row = element("li", "");
    row.append(
      element("span", label),
      element("meter", "", { value: score, title: label }),
      element("span", `${(100 * score).toFixed(1)} %`),
    );
    scores.append(row);
  }
  yield scores;
  if (answer.truncated) yield element("p", "The end of the text was left out.");
  yield modelLine(answer.model, milliseconds);
}
