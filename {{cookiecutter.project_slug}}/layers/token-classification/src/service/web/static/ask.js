import { element, model, modelLine } from "./page.js";
import { whenAsked } from "./text.js";

const { labels } = await model;
const kinds = [...new Set(labels.map((tag) => tag.replace(/^[BILUESM][-_]/i, "")))];

// Each kind of entity has a colour of its own.
function coloured(tag, text, kind) {
  const made = element(tag, text);
  made.style.setProperty("--hue", Math.round((360 * kinds.indexOf(kind)) / kinds.length));
  return made;
}

// Offsets count code points; a JavaScript string counts UTF-16 units.
function* pieces(text, entities) {
  const points = Array.from(text);
  let end = 0;
  for (const { start, end: stop, label, score } of entities) {
    yield points.slice(end, start).join("");
    const mark = coloured("mark", points.slice(start, stop).join(""), label);
    mark.append(element("small", `${label} ${(100 * score).toFixed(1)} %`));
    yield mark;
    end = stop;
  }
  yield points.slice(end).join("");
}

function* describeEntities({ prediction, truncated, model }, milliseconds, text) {
  const marked = element("p", "", { className: "marked" });
  marked.append(...pieces(text, prediction));
  yield marked;
  const legend = element("ul", "", { className: "legend" });
  for (const kind of kinds) {
    const count = prediction.filter(({ label }) => label === kind).length;
    if (count) legend.append(coloured("li", `${kind}: ${count}`, kind));
  }
  yield prediction.length ? legend : element("p", "No entities were found.");
  if (truncated) yield element("p", "The end of the text was left out.");
  yield modelLine(model, milliseconds);
}

whenAsked(describeEntities);
