// An answer of one label, with the scores of the others.

import { element, modelLine } from "./page.js";

const FIRST = 5; // scores that are shown at once

function scoreList(scores) {
  const list = element("ul", "", { className: "scores" });
  for (const { label, score } of scores) {
    const row = element("li", "");
    row.append(
      element("span", label),
      element("meter", "", { value: score, title: label }),
      element("span", `${(100 * score).toFixed(1)} %`),
    );
    list.append(row);
  }
  return list;
}

export function* describeScores({ prediction, scores, truncated, model }, milliseconds) {
  yield element("p", prediction, { className: "label" });
  yield scoreList(scores.slice(0, FIRST));
  if (scores.length > FIRST) {
    const others = element("details", "");
    others.append(
      element("summary", `${scores.length - FIRST} more`),
      scoreList(scores.slice(FIRST)),
    );
    yield others;
  }
  if (truncated) yield element("p", "The end of the text was left out.");
  yield modelLine(model, milliseconds);
}
