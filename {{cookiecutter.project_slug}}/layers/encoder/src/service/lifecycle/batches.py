"""The batches of one training: shuffled, and no longer than their texts. Knows no networks."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from service.encoding import bucket
from service.manifest import Arrays
from service.training import Examples, Recipe


def count(examples: Examples, recipe: Recipe) -> int:
    """How many batches :func:`batches` gives."""
    return recipe.epochs * -(-len(examples) // recipe.batch_size)


def batches(
    examples: Examples, recipe: Recipe, seed: int
) -> Iterator[tuple[Arrays, npt.NDArray[Any]]]:
    """Give inputs and targets, in each epoch all of them in an order of its own.

    Yields:
        ``{"input_ids": (N, L) int64, "attention_mask": (N, L) int64}`` and the targets, N up to
        the recipe's batch size, L the shortest bucket that the batch fits in.
    """
    random = np.random.default_rng(seed)
    for _ in range(recipe.epochs):
        order = random.permutation(len(examples))
        for start in range(0, len(order), recipe.batch_size):
            chosen = order[start : start + recipe.batch_size]
            length = bucket(examples.inputs["attention_mask"][chosen].sum(axis=1).max())
            inputs = {name: array[chosen, :length] for name, array in examples.inputs.items()}
            targets = examples.targets[chosen]
            yield inputs, targets if targets.ndim == 1 else targets[:, :length]
