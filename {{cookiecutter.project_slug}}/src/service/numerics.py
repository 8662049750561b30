"""Arithmetic on arrays and batches."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from service.manifest import Arrays


# only: predict
def probabilities(scores: npt.NDArray[Any], kind: str) -> npt.NDArray[np.float64]:
    """Probabilities from ``"logits"``, or from what are probabilities, ``(..., classes)``."""
    return softmax(scores) if kind == "logits" else scores.astype(np.float64)


# end
def softmax(logits: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Probabilities from logits, both ``(..., classes)``."""
    wide = logits.astype(np.float64)
    powers = np.exp(wide - wide.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def rows(batch: Arrays, chosen: slice) -> Arrays:
    """Some examples of a *batch*."""
    return {name: array[chosen] for name, array in batch.items()}


def in_batches(predict: Callable[[Arrays], Arrays], inputs: Arrays, size: int = 32) -> Arrays:
    """What *predict* gives for *inputs* of any length, *size* at a time."""
    length = len(next(iter(inputs.values())))
    parts = [predict(rows(inputs, slice(i, i + size))) for i in range(0, length, size)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
