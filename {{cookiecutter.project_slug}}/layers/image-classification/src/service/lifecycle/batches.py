"""The batches of one training: shuffled, and each shifted a little. Knows nothing of networks."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from service.manifest import Arrays
from service.training import Examples, Recipe

LARGEST_SHIFT = 0.125
"""Share of an image's height and width by which a batch may be moved."""


def count(examples: Examples, recipe: Recipe) -> int:
    """How many batches :func:`batches` gives."""
    return recipe.epochs * -(-len(examples) // recipe.batch_size)


def batches(
    examples: Examples, recipe: Recipe, seed: int
) -> Iterator[tuple[Arrays, npt.NDArray[Any]]]:
    """Give inputs and targets, in each epoch all of them in an order of its own.

    Yields:
        ``{"image": (N, H, W, C) float32}`` and ``(N,) int64``, N up to the recipe's batch size.
    """
    random = np.random.default_rng(seed)
    for _ in range(recipe.epochs):
        order = random.permutation(len(examples))
        for start in range(0, len(order), recipe.batch_size):
            chosen = order[start : start + recipe.batch_size]
            images = _shift(examples.inputs["image"][chosen], random)
            yield {"image": images}, examples.targets[chosen]


def _shift(images: npt.NDArray[Any], random: np.random.Generator) -> npt.NDArray[Any]:
    """Move a batch by the same random step; what comes in from outside repeats the edge."""
    height, width = images.shape[1:3]
    most_y, most_x = int(height * LARGEST_SHIFT), int(width * LARGEST_SHIFT)
    padded = np.pad(images, ((0, 0), (most_y, most_y), (most_x, most_x), (0, 0)), mode="edge")
    y, x = random.integers(0, 2 * most_y + 1), random.integers(0, 2 * most_x + 1)
    return padded[:, y : y + height, x : x + width]
