import { ask, find, url } from "./page.js";
import { describeScores } from "./scores.js";

const drop = find("drop");
const canvas = find("canvas");
const pen = canvas.getContext("2d");

function askImage(image, name) {
  const body = new FormData();
  body.append("image", image, name);
  const shell = `curl -F image=@${name} ${url("predict")}`;
  ask(shell, () => fetch("predict", { method: "POST", body }), describeScores);
}

function askFile(file) {
  if (!file) return;
  const preview = find("preview");
  URL.revokeObjectURL(preview.src);
  preview.src = URL.createObjectURL(file);
  preview.hidden = false;
  find("hint").textContent = file.name;
  askImage(file, file.name);
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
  canvas.toBlob((blob) => askImage(blob, "drawing.png"));
});
find("clear").addEventListener("click", clear);

clear();
