"""``import``: a trained model from elsewhere becomes a version that gives the original's answers.

The original runs once, in its own framework, on examples. What it says is in the version as golden
outputs, and each exported file is compared with it in a fresh process.
"""

import contextlib
import io
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from service import manifest as manifests
from service import runtime
from service.errors import BadValue, OwnerError
from service.lifecycle import engine
from service.lifecycle.compare import judge
from service.lifecycle.evaluation import METRIC
from service.lifecycle.export import write_version
from service.lifecycle.original import Found, scores_of
from service.lifecycle.source import Source
from service.lifecycle.verify import Check
from service.manifest import Arrays, Manifest
from service.numerics import probabilities
from service.owner import Parameters, Task, data
from service.settings import PROJECT, Settings

MOST_EXAMPLES = 8


@dataclass(frozen=True)
class Wishes:
    """What is known of a model; empty is what its file says.

    Args:
        labels: in the order of its output.
        parameters: of the images.
        scores: ``logits`` or ``probabilities``.
        examples: folder of images to show the answers to.
        data: folder of labelled images, laid out as ``model/data.py`` says, to be judged by.
        formats: to export; empty for what is served.
        # only: pytorch+in-process
        several: which may be, where *formats* is empty: ONNX as well.
        # end
    """

    labels: list[str]
    parameters: Parameters
    scores: str = ""
    examples: Path | None = None
    data: Path | None = None
    formats: tuple[str, ...] = ()
    # only: pytorch+in-process
    several: bool = False
    # end


class Answer(NamedTuple):
    """What is served says of an example, and the original's score for the same label."""

    example: str
    label: str
    score: float
    original: float


@dataclass(frozen=True)
class Imported:
    """A version, and what it says of each example beside what the original said."""

    folder: Path
    checks: list[Check]
    answers: list[Answer]
    facts: list[str]

    def table(self) -> str:
        """The answers in columns, for people."""
        lines = [("example", "label", "score", "original's")]
        lines += [(a.example, a.label, f"{a.score:.4f}", f"{a.original:.4f}") for a in self.answers]
        return "\n".join(f"{a[:24]:<24} {b[:24]:<24} {c:>7}  {d:>10}" for a, b, c, d in lines)


def import_model(path: Path, found: Found, wishes: Wishes, model_dir: Path) -> Imported:
    """Write the model at *path*, of which *found* is known, as the next version in *model_dir*.

    Raises:
        OwnerError: it is no classifier of images, something must be said of it, an exported file
            answers otherwise than the original, or it is not good enough. There is no new version.
    """
    labels, parameters = wishes.labels, wishes.parameters
    formats = wishes.formats or found.formats[:1]
    # only: pytorch+in-process
    if wishes.several and not wishes.formats and "onnx" in found.formats[1:]:
        formats += ("onnx",)
    # end
    signature = parameters.signature(len(labels))
    draft: dict[str, Any] = {
        "labels": labels,
        "parameters": parameters.model_dump(mode="json"),
        "signature": signature,
        "scores": "logits",
    }
    task = Task(path, Manifest.model_construct(**draft), Settings())
    examples = _examples(wishes.examples, task)
    images = np.stack([each[signature.inputs[0].name] for each in examples.values()])
    model = found.read(parameters, len(labels))
    outputs = model.predict(images)
    scores, is_single = scores_of(found, outputs, len(labels), wishes.scores)
    if is_single:
        other = np.zeros_like(outputs) if scores == "logits" else 1 - outputs
        outputs = np.concatenate([other, outputs], axis=1)
    golden: Arrays = {scores: outputs.astype(np.float32)}
    networks, exporters = [model.network(scores, is_single=is_single)], model.exporters
    del model
    facts = [
        found.kind,
        f"{parameters.height} by {parameters.width} pixels, {parameters.channels} channels",
        f"scores are {scores}",
        f"preprocessing {parameters.model_dump(mode='json')}",
    ]

    def write_files(folder: Path) -> None:
        manifests.write_golden(folder, {"image": images}, golden)
        (folder / "MODEL_CARD.md").write_text(_card(path, facts, labels), encoding="utf-8")

    def take() -> Any:
        again = None if networks else found.read(parameters, len(labels))
        return again.network(scores, is_single=is_single) if again else networks.pop()

    def write(formats: tuple[str, ...]) -> tuple[Path, list[Check]]:
        return write_version(
            model_dir,
            take,
            {name: exporters[name] for name in formats},
            parameters,
            write_files,
            labels=labels,
            signature=parameters.signature(len(labels), scores),
            scores=scores,
            metrics={},
            made_with={**engine.versions(), "original": path.name},
        )

    try:
        folder, checks = write(formats)
    except OwnerError as error:
        if wishes.formats or len(formats) == 1:
            raise
        folder, checks = write(formats[:1])  # no engine has every operator
        facts.append(f"{' and '.join(formats[1:])} left out: {str(error).splitlines()[0]}")
    if wishes.data:
        facts.append(_judge(folder, wishes.data))
    return Imported(
        folder, checks, _answers(folder, list(examples), {"image": images}, golden), facts
    )


def _judge(folder: Path, path: Path) -> str:
    """Judge the version in *folder* by held-out images; gives the metrics, or takes it away."""
    try:
        manifest = manifests.read(folder)
        examples = data.load(Source(data=path), folder)
        if set(examples.labels) != set(manifest.labels):
            raise OwnerError(
                f'DATA is "{path}", with the labels {", ".join(examples.labels)}; the model has '
                f"{', '.join(manifest.labels)}. Name a folder with one folder for each."
            )
        metrics = judge(folder, manifest, examples)
        least = examples.threshold or 0
        if not metrics[METRIC] >= least:
            raise OwnerError(
                f'The model is not good enough for "{path}": {METRIC} is {metrics[METRIC]:.4f}, at '
                f"least {least:.4f} is required. Look at PREPROCESS and the order of LABELS first; "
                f"the limit is THRESHOLD in src/model/data.py."
            )
    except OwnerError:
        shutil.rmtree(folder)
        raise
    manifests.write(manifest.model_copy(update={"metrics": metrics}), folder)
    said = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
    return f"{said} on {len(examples.held_out)} held-out images"


def _examples(folder: Path | None, task: Task) -> dict[str, Arrays]:
    """Inputs of the model by name: of the first images in *folder*, or of some that are made."""
    if folder is None:
        random = np.random.default_rng(0)
        noise, squares = (random.integers(0, 256, (side, side, 3)) for side in (256, 8))
        made = {"noise": noise, "squares": squares.repeat(40, 1).repeat(32, 0)}
        made |= {"black": noise * 0, "white": noise * 0 + 255}
        return {name: task.preprocess(_png(pixels)).arrays for name, pixels in made.items()}
    found: dict[str, Arrays] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and len(found) < MOST_EXAMPLES:
            with contextlib.suppress(BadValue):  # it is no image
                name = path.relative_to(folder).as_posix()
                found[name] = task.preprocess(path.read_bytes()).arrays
    if not found:
        raise OwnerError(f'EXAMPLES is "{folder}", which has no image that can be read.')
    return found


def _png(pixels: npt.NDArray[Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def _answers(folder: Path, names: list[str], images: Arrays, golden: Arrays) -> list[Answer]:
    """Of each example its label, the score by what is served, and the original's for that label."""
    facts = manifests.read(folder)
    name = facts.signature.outputs[0].name
    predict = runtime.load(folder, facts, facts.artefacts[0], threads=1)
    ours, theirs = (probabilities(each[name], facts.scores) for each in (predict(images), golden))
    best = ours.argmax(axis=1)
    return [
        Answer(name, facts.labels[index], float(ours[row, index]), float(theirs[row, index]))
        for row, (name, index) in enumerate(zip(names, best, strict=True))
    ]


def _card(path: Path, facts: list[str], labels: list[str]) -> str:
    lines = "\n".join(f"- {fact}" for fact in facts)
    return f"""\
# Model card: {PROJECT["name"]}

{PROJECT["description"]}

Imported from `{path.name}`, as it was: not trained here.

{lines}
- labels: {", ".join(labels)}
"""
