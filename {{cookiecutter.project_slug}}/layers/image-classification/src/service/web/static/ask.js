import { ask, find, forget, postCommand, quoted, url } from "./page.js";
import { describeScores } from "./scores.js";

const drop = find("drop");
const preview = find("preview");
const canvas = find("canvas");
const pen = canvas.getContext("2d");

// One picture at a time: the file's or the drawing. What was known of the former one goes.
function showFile(file) {
  URL.revokeObjectURL(preview.src);
  preview.hidden = !file;
  if (file) preview.src = URL.createObjectURL(file);
  else preview.removeAttribute("src");
  find("name").textContent = file?.name ?? "";
  forget();
}

function commandOf(file) {
  const name = file.name.replaceAll(/["\\]/g, "\\$&"); // as curl reads it in quotes
  return `curl --silent ${quoted(url("predict"))} -F ${quoted(`image=@"${name}"`)}`;
}

function clearDrawing() {
  pen.fillStyle = "black";
  pen.fillRect(0, 0, canvas.width, canvas.height);
}

function askFile(file, command = "") {
  if (!file) return;
  clearDrawing();
  showFile(file);
  const body = new FormData();
  body.append("image", file);
  ask(command, () => fetch("predict", { method: "POST", body }), describeScores);
}

// A drawing is no file, so its command has it in it.
function askDrawing() {
  const body = JSON.stringify({ image: canvas.toDataURL() });
  const headers = { "Content-Type": "application/json" };
  const send = () => fetch("predict", { method: "POST", headers, body });
  ask(postCommand("predict", body), send, describeScores);
}

function penPosition(event) {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  return [
    ((event.clientX - left) * canvas.width) / width,
    ((event.clientY - top) * canvas.height) / height,
  ];
}

preview.addEventListener("error", () => {
  preview.hidden = true; // it is no picture
});
find("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  if (file) askFile(file, commandOf(file));
  event.target.value = ""; // so that the same file can be chosen again
});
// What is pasted may be no file, so it has no command.
document.addEventListener("paste", (event) => askFile(event.clipboardData.files[0]));
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", kind === "dragenter" || kind === "dragover");
    const [file] = kind === "drop" ? event.dataTransfer.files : [];
    if (file) askFile(file, commandOf(file));
  });
}

canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  showFile(null);
  Object.assign(pen, { strokeStyle: "white", lineWidth: 28, lineCap: "round", lineJoin: "round" });
  pen.beginPath();
  pen.moveTo(...penPosition(event));
});
canvas.addEventListener("pointermove", (event) => {
  if (!canvas.hasPointerCapture(event.pointerId)) return;
  pen.lineTo(...penPosition(event));
  pen.stroke();
});
canvas.addEventListener("pointerup", askDrawing);
find("clear").addEventListener("click", () => {
  clearDrawing();
  showFile(null);
});

clearDrawing();
