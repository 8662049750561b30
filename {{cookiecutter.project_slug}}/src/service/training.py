"""What a training works with: labelled examples, and the numbers of a recipe."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from service.manifest import Arrays
from service.owner import Parameters

UNKNOWN = -100
"""A target to which no right answer is known: neither learnt from nor judged by."""

GOLDEN_EXAMPLES = 32
"""How many of the held-out examples a version keeps, with its answers."""


@dataclass(frozen=True)
class Examples:
    """Inputs as the model reads them, in one batch, and the answers, ``(examples, ...)``."""

    inputs: Arrays
    targets: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class Dataset:
    """Labelled examples, split in two halves that share none.

    Args:
        labels: what the model tells apart, in the order of its outputs.
        parameters: how a request becomes an input.
        train: what the model learns from.
        held_out: what it is judged by and never sees before.
        description: where the examples come from and how they were split, for the model card.
        limits: what a model trained on them is not good for, a sentence each.
        threshold: the least value of the deciding metric that is good enough; ``None`` where
            nothing is required.
        assets: files that the task needs beside the manifest, by their path in the version's
            folder.
    """

    labels: list[str]
    parameters: Parameters
    train: Examples
    held_out: Examples
    description: str
    limits: list[str]
    threshold: float | None
    assets: Mapping[str, bytes] = field(default_factory=dict)

    def write_assets(self, folder: Path) -> None:
        for name, content in self.assets.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def sha256(self) -> str:
        """The SHA-256 of all that training and evaluation use, in hexadecimal."""
        digest = hashlib.sha256(repr(self.labels).encode())
        digest.update(self.parameters.model_dump_json().encode())
        for name, content in self.assets.items():
            digest.update(f"{name}{len(content)}".encode() + content)
        for half in (self.train, self.held_out):
            for array in (*half.inputs.values(), half.targets):
                digest.update(f"{array.dtype}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


@dataclass(frozen=True)
class Recipe:
    """The numbers of one training.

    Args:
        epochs: rounds over the examples.
        batch_size: examples in one step.
        peak_learning_rate: the highest that a step has.
        warm_up_share: share of the steps in which the learning rate rises; in the others it falls.
        weight_decay: how much of each weight is taken away in a step, as a share of the rate.
        threads: that compute; all that may when ``None``. A small network is faster with one.
    """

    epochs: int
    batch_size: int
    peak_learning_rate: float
    warm_up_share: float
    weight_decay: float = 0.01
    threads: int | None = None

    def learning_rate(self, step: int, steps: int) -> float:
        """Rises in a line, then falls along half a cosine; *step* counts from 0."""
        warm_up = max(1, int(steps * self.warm_up_share))
        if step < warm_up:
            return self.peak_learning_rate * (step + 1) / warm_up
        progress = (step - warm_up) / (steps - warm_up)
        return self.peak_learning_rate * (1 + math.cos(math.pi * progress)) / 2
