"""``train``: from examples to a candidate, a model that is not exported yet.

::

    build/candidate/
        candidate.json      facts of the training
        weights.*           what the training found
        ...                 files that the task needs, as a version has them
        evaluation/         metrics.json, MODEL_CARD.md, golden.npz and the task's pictures
"""

import dataclasses
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from service.errors import OwnerError
# only: pytorch
from service.framework import limit_threads
# end
from service.lifecycle import engine
from service.lifecycle.source import Source
from service.manifest import Arrays, Record, staged
from service.owner import NAME, Parameters, data, network
# only: tensorflow
from service.runtime import limit_threads
# end
from service.training import Examples, Recipe

FACTS = "candidate.json"


class Facts(Record):
    """What is known of a training."""

    task: str
    labels: list[str]
    parameters: Parameters
    source: Source
    data_sha256: str
    train_examples: int
    epochs: int
    seed: int
    seconds: float
    trained_at: str
    made_with: dict[str, str]


def train(
    folder: Path, source: Source | None = None, *, epochs: int | None = None, seed: int = 0
) -> Facts:
    """Train a network and write it as the candidate in *folder*, which a failure leaves as it was.

    Args:
        folder: new, empty, or an earlier candidate's.
        source: what to learn from; the starter's examples when ``None``.
        epochs: rounds over the examples; the recipe's when ``None``.
        seed: the same seed gives the same weights on the same machine.

    Raises:
        OwnerError: the data cannot be used, or *folder* holds something else.
    """
    is_new = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not is_new and not (folder / FACTS).is_file():
        raise OwnerError(
            f'"{folder}" is not a candidate, and a training would replace it. Give --candidate a '
            f"folder that is new, empty, or from an earlier training."
        )
    source = source or Source()
    recipe = data.recipe(source)
    if epochs is not None:
        recipe = dataclasses.replace(recipe, epochs=epochs)
    engine.make_deterministic(seed)
    if recipe.threads:
        limit_threads(recipe.threads)
    examples = data.load(source)
    started = time.monotonic()
    model = source.network(examples.parameters, len(examples.labels))
    steps = batch_count(examples.train, recipe)
    with tqdm(
        network.train(model, batches(examples.train, recipe, seed), steps, recipe),
        total=steps,
        desc=f"Training, {recipe.epochs} epochs",
        unit=" batches",
        mininterval=0.5,
        ncols=88,
        disable=not steps,
    ) as bar:
        for loss in bar:
            bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
    facts = Facts(
        task=NAME,
        labels=examples.labels,
        parameters=examples.parameters,
        source=source,
        data_sha256=examples.sha256(),
        train_examples=len(examples.train),
        epochs=recipe.epochs if steps else 0,
        seed=seed,
        seconds=round(time.monotonic() - started, 1),
        trained_at=datetime.now(UTC).isoformat(timespec="seconds"),
        made_with=engine.versions(),
    )
    with staged(folder) as staging:
        engine.save(model, staging / engine.WEIGHTS)
        examples.write_assets(staging)
        facts.write_to(staging / FACTS)
    return facts


def read_facts(folder: Path) -> Facts:
    if not (folder / FACTS).is_file() or not (folder / engine.WEIGHTS).is_file():
        raise OwnerError(
            f'"{folder}" has no trained model. Run "python -m service.lifecycle train" first.'
        )
    return Facts.read_from(folder / FACTS, "what a training writes")


def batch_count(examples: Examples, recipe: Recipe) -> int:
    return recipe.epochs * -(-len(examples) // recipe.batch_size)


def batches(
    examples: Examples, recipe: Recipe, seed: int
) -> Iterator[tuple[Arrays, npt.NDArray[Any]]]:
    """Inputs and targets as ``model/data.py`` makes a batch; each epoch has an order of its own."""
    random = np.random.default_rng(seed)
    for _ in range(recipe.epochs):
        order = random.permutation(len(examples))
        for start in range(0, len(order), recipe.batch_size):
            chosen = order[start : start + recipe.batch_size]
            yield data.make_batch(examples, chosen, random)
