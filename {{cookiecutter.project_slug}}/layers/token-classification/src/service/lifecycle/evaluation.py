"""Evaluates named entities: metrics and a table."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from service.lifecycle import engine
from service.manifest import Arrays, Manifest
from service.numerics import in_batches, softmax
from service.owner import Network
from service.runtime import Predict
from service.tags import spans
from service.training import UNKNOWN, Dataset, Examples

_Entity: TypeAlias = tuple[str, int, int]
"""Label, first and last word."""

METRIC = "entity_f1"
"""The one that decides."""


@dataclass(frozen=True)
class Counts:
    """How many entities of one label were right, given and true."""

    right: int
    given: int
    true: int

    @property
    def precision(self) -> float:
        """Share of the given entities that are right."""
        return self.right / self.given if self.given else 0.0

    @property
    def recall(self) -> float:
        """Share of the true entities that are found."""
        return self.right / self.true if self.true else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        both = self.given + self.true
        return 2 * self.right / both if both else 0.0


@dataclass(frozen=True)
class Report:
    """What the held-out examples say of a finder of entities.

    Args:
        counts: for each label; an entity is right when label, first and last word are.
        inputs: of the held-out examples.
        outputs: what the model said to them.
    """

    counts: dict[str, Counts]
    inputs: Arrays
    outputs: Arrays

    @property
    def metrics(self) -> dict[str, float]:
        """Over the entities of all labels; none where no right answer is known."""
        if not self.counts:
            return {}
        total = Counts(
            right=sum(each.right for each in self.counts.values()),
            given=sum(each.given for each in self.counts.values()),
            true=sum(each.true for each in self.counts.values()),
        )
        return {
            "entity_f1": total.f1,
            "entity_precision": total.precision,
            "entity_recall": total.recall,
        }

    @property
    def details(self) -> str:
        """Metrics of each label, in Markdown."""
        if not self.counts:
            return "The held-out examples have no labels, so nothing was measured."
        lines = [
            f"| {label} | {each.true} | {each.precision:.3f} | {each.recall:.3f} | {each.f1:.3f} |"
            for label, each in self.counts.items()
        ]
        table = "\n".join(lines)
        return f"""\
| label | held out | precision | recall | F1 |
|---|---:|---:|---:|---:|
{table}

An entity is right when its label, its first and its last word are.
Precision: share of the entities given that are right.
Recall: share of the entities there that are found."""

    def draw(self, folder: Path) -> None:
        """No pictures."""


def judge(model: Network, examples: Dataset) -> Report:
    """Run *model* on the held-out examples."""
    held_out = examples.held_out
    signature = examples.parameters.signature(len(examples.labels))
    outputs = engine.predict(model, signature, held_out.inputs)
    return report(examples.labels, held_out, outputs)


def judge_version(predict: Predict, manifest: Manifest, examples: Examples) -> Report:
    """Run an exported model on *examples*."""
    outputs = in_batches(predict, examples.inputs)
    scores = outputs[manifest.signature.outputs[0].name]
    return report(manifest.labels, examples, {**outputs, "logits": scores})


def report(tags: list[str], examples: Examples, outputs: Arrays) -> Report:
    """Compare answers with the truth.

    Args:
        tags: in the order of the outputs.
        examples: with ``(N, L)`` indices of the true tags, ``UNKNOWN`` but at the first token of
            each word.
        outputs: ``{"logits": (N, L, tags)}``.
    """
    right: Counter[str] = Counter()
    given: Counter[str] = Counter()
    true: Counter[str] = Counter()
    for answered, wanted in _entities(tags, examples, outputs):
        given.update(label for label, _, _ in answered)
        true.update(label for label, _, _ in wanted)
        right.update(label for label, _, _ in answered & wanted)
    is_known = bool((examples.targets != UNKNOWN).any())
    labels = sorted(given.keys() | true.keys()) if is_known else []
    counts = {label: Counts(right[label], given[label], true[label]) for label in labels}
    return Report(counts, examples.inputs, outputs)


def _entities(
    tags: list[str], examples: Examples, outputs: Arrays
) -> Iterator[tuple[set[_Entity], set[_Entity]]]:
    """For each example the entities that the model gives, and those that are there."""
    certainty = np.eye(len(tags))
    for logits, target in zip(outputs["logits"], examples.targets, strict=True):
        words = target != UNKNOWN
        yield (
            {span[:3] for span in spans(softmax(logits[words]), tags)},
            {span[:3] for span in spans(certainty[target[words]], tags)},
        )
