import {
  ask,
  call,
  element,
  find,
  forget,
  keyOption,
  modelLine,
  postCommand,
  quoted,
  showExamples,
  url,
} from "./page.js";
import { describeScores } from "./scores.js";

const drop = find("drop");
const preview = find("preview");
const canvas = find("canvas");
const pen = canvas.getContext("2d");

// One picture is shown: the file's or the drawing. What was known of the former one goes.
function showFile(file) {
  URL.revokeObjectURL(preview.src);
  preview.hidden = !file;
  if (file) preview.src = URL.createObjectURL(file);
  else preview.removeAttribute("src");
  find("name").textContent = file?.name ?? "";
  forget();
}

function commandOf(files) {
  const names = files.map(({ name }) => name.replaceAll(/["\\]/g, "\\$&")); // as curl reads them
  const parts = names.map((name) => `-F ${quoted(`image=@"${name}"`)}`);
  return `curl --silent ${quoted(url("predict"))}${keyOption()} ${parts.join(" ")}`;
}

function clearDrawing() {
  pen.fillStyle = "black";
  pen.fillRect(0, 0, canvas.width, canvas.height);
}

// Several files are one request, and their pictures stand in the answer.
function askFiles(files, command = commandOf(files)) {
  if (!files.length) return;
  clearDrawing();
  showFile(files.length === 1 ? files[0] : null);
  const body = new FormData();
  for (const file of files) body.append("image", file);
  const describe = (answer, milliseconds) =>
    answer.predictions ? describeMany(files, answer, milliseconds) : describeScores(answer, milliseconds);
  ask(command, () => call("predict", { method: "POST", body }), describe);
}

function* describeMany(files, { predictions, model }, milliseconds) {
  const list = element("ul", "", { className: "pictures" });
  predictions.forEach(({ prediction, scores }, i) => {
    const picture = element("img", "", { alt: "", src: URL.createObjectURL(files[i]) });
    picture.addEventListener("load", () => URL.revokeObjectURL(picture.src));
    const item = element("li", "");
    item.append(
      picture,
      element("strong", prediction),
      element("span", `${(100 * scores[0].score).toFixed(1)} %`),
      element("span", files[i].name, { className: "quiet" }),
    );
    list.append(item);
  });
  yield list;
  yield modelLine(model, milliseconds);
}

// A drawing is no file, so its command has it in it.
function askDrawing() {
  const body = JSON.stringify({ image: canvas.toDataURL() });
  const headers = { "Content-Type": "application/json" };
  const send = () => call("predict", { method: "POST", headers, body });
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
  askFiles([...event.target.files]);
  event.target.value = ""; // so that the same file can be chosen again
});
// What is pasted may be no file, so it has no command.
document.addEventListener("paste", (event) => askFiles([...event.clipboardData.files], ""));
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", kind === "dragenter" || kind === "dragover");
    if (kind === "drop") askFiles([...event.dataTransfer.files]);
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
showExamples(async ({ file }, address) => {
  const content = await (await call(address)).blob();
  const picture = new File([content], file, { type: content.type });
  return [
    element("img", "", { src: URL.createObjectURL(picture), alt: file }),
    () => askFiles([picture], commandOf([{ name: `examples/${file}` }])),
  ];
});
