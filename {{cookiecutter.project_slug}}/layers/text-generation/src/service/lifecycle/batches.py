"""The batches of one training: shuffled, and no longer than their texts. Knows no networks."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from service.manifest import Arrays
from service.training import UNKNOWN, Examples, Recipe

STEP = 8
"""Texts are cut to a multiple of so many tokens, so that few lengths occur."""


def count(examples: Examples, recipe: Recipe) -> int:
    """How many batches :func:`batches` gives."""
    return recipe.epochs * -(-len(examples) // recipe.batch_size)


def batches(
    examples: Examples, recipe: Recipe, seed: int
) -> Iterator[tuple[Arrays, npt.NDArray[Any]]]:
    """Give inputs and targets, in each epoch all of them in an order of its own.

    Yields:
        ``{"tokens": (N, T) int64}`` and ``(N, T) int64`` targets, N up to the recipe's batch size,
        T the shortest length that the batch fits in.
    """
    random = np.random.default_rng(seed)
    for _ in range(recipe.epochs):
        order = random.permutation(len(examples))
        for start in range(0, len(order), recipe.batch_size):
            chosen = order[start : start + recipe.batch_size]
            targets = examples.targets[chosen]
            last = int(np.flatnonzero((targets != UNKNOWN).any(axis=0))[-1]) + 1
            length = -(-last // STEP) * STEP
            yield {"tokens": examples.inputs["tokens"][chosen, :length]}, targets[:, :length]
