"""``train``: from examples to a candidate."""

import dataclasses
import time
from datetime import UTC, datetime
from pathlib import Path

from tqdm import tqdm

from service.lifecycle import batches, candidate, engine
from service.lifecycle.source import Source
from service.lifecycle.staging import staged
from service.owner import NAME, data, network
from service.runtime import limit_threads


def train(
    folder: Path, source: Source | None = None, *, epochs: int | None = None, seed: int = 0
) -> candidate.Facts:
    """Train a network and write it as the candidate in *folder*, replacing an earlier one.

    Args:
        folder: where the candidate goes; untouched when the training fails.
        source: what to learn from; the starter's examples when ``None``.
        epochs: rounds over the examples; the recipe's when ``None``.
        seed: the same seed gives the same weights on the same machine.

    Raises:
        OwnerError: the data cannot be used, or *folder* holds something else.
    """
    candidate.refuse_foreign(folder)
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
    steps = batches.count(examples.train, recipe)
    stream = batches.batches(examples.train, recipe, seed)
    with tqdm(
        network.train(model, stream, steps, recipe),
        total=steps,
        desc=f"Training, {recipe.epochs} epochs",
        unit=" batches",
        mininterval=0.5,
        ncols=88,
        disable=not steps,
    ) as bar:
        for loss in bar:
            bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
    facts = candidate.Facts(
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
        candidate.write(facts, staging / candidate.FACTS)
    return facts
