"""Evaluates a classifier: metrics, a table and a picture."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay, precision_recall_fscore_support

from service.lifecycle import engine
from service.manifest import Arrays, Manifest
from service.numerics import in_batches
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
            "macro_f1": float(self._by_label()[2].mean()),
        }

    @property
    def details(self) -> str:
        """Metrics of each label, and the picture, in Markdown."""
        if not self.confusion.any():
            return "The held-out examples have no labels, so nothing was measured."
        rows = zip(self.labels, *self._by_label(), strict=True)
        lines = [f"| {a} | {n:.0f} | {p:.3f} | {r:.3f} | {f:.3f} |" for a, p, r, f, n in rows]
        table = "\n".join(lines)
        return f"""\
| label | held out | precision | recall | F1 |
|---|---:|---:|---:|---:|
{table}

Precision: share of the answers with this label that are right.
Recall: share of the examples of this label that are found.

![Confusion matrix]({PICTURE})"""

    def draw(self, folder: Path) -> None:
        if not self.confusion.any():
            return
        count = len(self.labels)
        side = min(max(4.5, 1.8 + 0.46 * count), 20)
        figure = Figure(figsize=(side, side), layout="constrained")
        axes = figure.add_subplot()
        fits = max(map(len, self.labels)) <= 3  # noqa: PLR2004 - characters below a cell
        ConfusionMatrixDisplay(self.confusion, display_labels=self.labels).plot(
            include_values=count <= MOST_LABELS_WITH_NUMBERS,
            cmap="Blues",
            xticks_rotation="horizontal" if fits else "vertical",
            colorbar=False,
            ax=axes,
        )
        right, total = int(self.confusion.trace()), int(self.confusion.sum())
        axes.set(
            xlabel="answer",
            ylabel="true label",
            title=f"{right} of {total} held-out examples right",
        )
        figure.savefig(folder / PICTURE, dpi=150)

    def _by_label(self) -> tuple[npt.NDArray[np.float64], ...]:
        """Precision, recall, F1 and count of each label; 0 where there is nothing to divide by."""
        wanted, given = np.indices(self.confusion.shape).reshape(2, -1)
        counts = self.confusion.ravel()
        found: tuple[npt.NDArray[np.float64], ...] = precision_recall_fscore_support(
            wanted, given, sample_weight=counts, zero_division=0
        )
        return found


def judge(model: Network, examples: Dataset) -> Report:
    held_out = examples.held_out
    signature = examples.parameters.signature(len(examples.labels))
    outputs = engine.predict(model, signature, held_out.inputs)
    return report(examples.labels, held_out, outputs)


def judge_version(predict: Predict, manifest: Manifest, examples: Examples) -> Report:
    """Run an exported model on *examples*."""
    outputs = in_batches(predict, examples.inputs)
    scores = outputs[manifest.signature.outputs[0].name]
    return report(manifest.labels, examples, {**outputs, "logits": scores})


def report(labels: list[str], examples: Examples, outputs: Arrays) -> Report:
    """Compare answers, ``{"logits": (N, labels)}``, with the truth.

    *examples* have ``(N,)`` indices of the true labels, or ``UNKNOWN``.
    """
    confusion = np.zeros((len(labels), len(labels)), dtype=np.int64)
    known = examples.targets != UNKNOWN
    answers = outputs["logits"].argmax(axis=1)
    np.add.at(confusion, (examples.targets[known], answers[known]), 1)
    return Report(labels, confusion, examples.inputs, outputs)
