"""Softmax, for task and evaluation."""

from typing import Any

import numpy as np
import numpy.typing as npt


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
