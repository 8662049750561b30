"use strict";

const find = (id) => document.getElementById(id);
const drop = find("drop");
const canvas = find("canvas");
const pen = canvas.getContext("2d");
let asked = 0; // only the answer to the newest question is shown

async function describe() {
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

async function ask(image, name) {
  const mine = ++asked;
  find("shell").textContent =
    `curl -F image=@${name} ${new URL("predict", location.href)}`;
  const form = new FormData();
  form.append("image", image, name);
  let shown;
  try {
    const started = performance.now();
    const response = await fetch("predict", { method: "POST", body: form });
    const answer = await response.json();
    const milliseconds = Math.round(performance.now() - started);
    shown = response.ok ? [...describeAnswer(answer, milliseconds)] : [refusal(answer.detail)];
  } catch {
    shown = [refusal("The service does not answer.")];
  }
  if (mine === asked) find("result").replaceChildren(...shown);
}

function element(tag, text, properties = {}) {
  return Object.assign(document.createElement(tag), { textContent: text, ...properties });
}

function refusal(detail) {
  return element("p", detail, { className: "error" });
}

function* describeAnswer(answer, milliseconds) {
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
  const { name, version } = answer.model;
  yield element("p", `Model ${name}, version ${version}, in ${milliseconds} ms`, {
    className: "quiet",
  });
}

function askFile(file) {
  if (!file) return;
  const preview = find("preview");
  URL.revokeObjectURL(preview.src);
  preview.src = URL.createObjectURL(file);
  preview.hidden = false;
  find("hint").textContent = file.name;
  ask(file, file.name);
}

function clear() {
  pen.fillStyle = "black";
  pen.fillRect(0, 0, canvas.width, canvas.height);
}

function penPosition(event) {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  return [
    ((event.clientX - left) * canvas.width) / width,
    ((event.clientY - top) * canvas.height) / height,
  ];
}

find("file").addEventListener("change", (event) => askFile(event.target.files[0]));
document.addEventListener("paste", (event) => askFile(event.clipboardData.files[0]));
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", kind === "dragenter" || kind === "dragover");
    if (kind === "drop") askFile(event.dataTransfer.files[0]);
  });
}

canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  Object.assign(pen, { strokeStyle: "white", lineWidth: 28, lineCap: "round", lineJoin: "round" });
  pen.beginPath();
  pen.moveTo(...penPosition(event));
});
canvas.addEventListener("pointermove", (event) => {
  if (!canvas.hasPointerCapture(event.pointerId)) return;
  pen.lineTo(...penPosition(event));
  pen.stroke();
});
canvas.addEventListener("pointerup", () => {
  canvas.toBlob((blob) => ask(blob, "drawing.png"));
});
find("clear").addEventListener("click", clear);

clear();
describe();
watch();
