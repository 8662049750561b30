import { element, modelLine } from "./page.js";
import { whenAsked } from "./text.js";

// Offsets count code points; a JavaScript string counts UTF-16 units.
function* pieces(text, entities) {
  const points = Array.from(text);
  let end = 0;
  for (const entity of entities) {
    yield points.slice(end, entity.start).join("");
    const mark = element("mark", points.slice(entity.start, entity.end).join(""));
    mark.append(element("small", `${entity.label} ${(100 * entity.score).toFixed(1)} %`));
    yield mark;
    end = entity.end;
  }
  yield points.slice(end).join("");
}

function* describeEntities(answer, milliseconds, text) {
  const marked = element("p", "", { className: "marked" });
  marked.append(...pieces(text, answer.prediction));
  yield marked;
  if (!answer.prediction.length) yield element("p", "No entities were found.");
  if (answer.truncated) yield element("p", "The end of the text was left out.");
  yield modelLine(answer.model, milliseconds);
}

whenAsked(describeEntities);
