"""Evaluates a classifier: metrics, a table and a picture. Knows nothing of inputs."""

from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from service.lifecycle import engine
from service.manifest import Arrays, Manifest
from service.owner import Network
from service.runtime import Predict
from service.training import UNKNOWN, Dataset, Examples

METRIC = "accuracy"
"""The one that decides."""

PICTURE = "confusion-matrix.png"
MOST_LABELS_WITH_NUMBERS = 30


@dataclass(frozen=True)
class Report:
    """What the held-out examples say of a classifier.

    Args:
        labels: in the order of the outputs.
        confusion: ``(labels, labels)`` counts: row the true label, column the answer.
        inputs: of the held-out examples.
        outputs: what the classifier said to them.
    """

    labels: list[str]
    confusion: npt.NDArray[np.int64]
    inputs: Arrays
    outputs: Arrays

    @property
    def metrics(self) -> dict[str, float]:
        """Accuracy, and the mean over the labels of F1, the harmonic mean of both rates below.

        None where no right answer is known.
        """
        if not self.confusion.any():
            return {}
        return {
            "accuracy": float(self.confusion.trace() / self.confusion.sum()),
            "macro_f1": float(self._f1().mean()),
        }

    @property
    def details(self) -> str:
        """Metrics of each label, and the picture, in Markdown."""
        if not self.confusion.any():
            return "The held-out examples have no labels, so nothing was measured."
        rows = zip(
            self.labels,
            self.confusion.sum(axis=1),
            self._precision(),
            self._recall(),
            self._f1(),
            strict=True,
        )
        lines = [f"| {a} | {n} | {p:.3f} | {r:.3f} | {f:.3f} |" for a, n, p, r, f in rows]
        return "\n".join(
            [
                "| label | held out | precision | recall | F1 |",
                "|---|---:|---:|---:|---:|",
                *lines,
                "",
                "Precision: share of the answers with this label that are right.",
                "Recall: share of the examples of this label that are found.",
                "",
                f"![Confusion matrix]({PICTURE})",
            ]
        )

    def golden(self, count: int) -> tuple[Arrays, Arrays]:
        """Inputs and outputs that every artefact must reproduce, *count* at most."""
        inputs = {name: array[:count] for name, array in self.inputs.items()}
        return inputs, {name: array[:count] for name, array in self.outputs.items()}

    def draw(self, folder: Path) -> None:
        """Draw the confusion matrix into *folder*."""
        if not self.confusion.any():
            return
        count = len(self.labels)
        shares = self.confusion / np.maximum(self.confusion.sum(axis=1, keepdims=True), 1)
        side = min(max(4.5, 1.8 + 0.46 * count), 20)
        with mpl.rc_context({"font.size": 10}):
            figure = Figure(figsize=(side, side), layout="constrained")
            axes = figure.add_subplot()
            axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
            ticks = range(count)
            axes.set_xticks(ticks, self.labels, rotation=0 if _short(self.labels) else 90)
            axes.set_yticks(ticks, self.labels)
            axes.set_xticks(np.arange(count + 1) - 0.5, minor=True)
            axes.set_yticks(np.arange(count + 1) - 0.5, minor=True)
            axes.grid(which="minor", color="white", linewidth=1.5)
            axes.tick_params(which="both", length=0)
            axes.spines[:].set_visible(False)
            axes.set_xlabel("answer")
            axes.set_ylabel("true label")
            right, total = int(self.confusion.trace()), int(self.confusion.sum())
            axes.set_title(f"{right} of {total} held-out examples right", loc="left", pad=10)
            if count <= MOST_LABELS_WITH_NUMBERS:
                for (row, column), number in np.ndenumerate(self.confusion):
                    if number:
                        colour = "white" if shares[row, column] > 0.5 else "black"  # noqa: PLR2004
                        axes.text(column, row, str(number), ha="center", va="center", color=colour)
            figure.savefig(folder / PICTURE, dpi=150)

    def _precision(self) -> npt.NDArray[np.float64]:
        return _ratio(self.confusion.diagonal(), self.confusion.sum(axis=0))

    def _recall(self) -> npt.NDArray[np.float64]:
        return _ratio(self.confusion.diagonal(), self.confusion.sum(axis=1))

    def _f1(self) -> npt.NDArray[np.float64]:
        both = self.confusion.sum(axis=0) + self.confusion.sum(axis=1)
        return _ratio(2 * self.confusion.diagonal(), both)


def judge(model: Network, examples: Dataset) -> Report:
    """Run *model* on the held-out examples."""
    held_out = examples.held_out
    signature = examples.parameters.signature(len(examples.labels))
    outputs = engine.predict(model, signature, held_out.inputs)
    return report(examples.labels, held_out, outputs)


def judge_version(predict: Predict, manifest: Manifest, examples: Examples) -> Report:
    """Run an exported model on *examples*.

    Args:
        predict: gives its outputs for a batch of any length.
        manifest: its version's.
        examples: as it reads them.
    """
    outputs = predict(examples.inputs)
    scores = outputs[manifest.signature.outputs[0].name]
    return report(manifest.labels, examples, {**outputs, "logits": scores})


def report(labels: list[str], examples: Examples, outputs: Arrays) -> Report:
    """Compare answers with the truth.

    Args:
        labels: in the order of the outputs.
        examples: with ``(N,)`` indices of the true labels, or ``UNKNOWN``.
        outputs: ``{"logits": (N, labels)}``.
    """
    confusion = np.zeros((len(labels), len(labels)), dtype=np.int64)
    known = examples.targets != UNKNOWN
    answers = outputs["logits"].argmax(axis=1)
    np.add.at(confusion, (examples.targets[known], answers[known]), 1)
    return Report(labels, confusion, examples.inputs, outputs)


def _ratio(parts: npt.NDArray[np.int64], wholes: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Shares; 0 where the whole is nothing."""
    return np.asarray(parts / np.maximum(wholes, 1), dtype=np.float64)


def _short(labels: list[str]) -> bool:
    return max(map(len, labels)) <= 3  # noqa: PLR2004 - characters that fit above a cell
