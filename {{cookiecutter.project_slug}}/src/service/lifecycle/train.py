"""``train``: from examples to a candidate."""

import time
from datetime import UTC, datetime
from pathlib import Path

from tqdm import tqdm

from service import network, task
from service.lifecycle import batches, candidate, dataset, engine
from service.lifecycle.staging import staged


def train(
    folder: Path, *, data: Path | None = None, epochs: int | None = None, seed: int = 0
) -> candidate.Facts:
    """Train a network and write it as the candidate in *folder*, replacing an earlier one.

    Args:
        folder: where the candidate goes; untouched when the training fails.
        data: folder of the examples; the starter's when ``None``.
        epochs: rounds over the examples; the recipe's when ``None``.
        seed: the same seed gives the same weights on the same machine.

    Raises:
        OwnerError: the data cannot be used, or *folder* holds something else.
    """
    candidate.refuse_foreign(folder)
    examples = dataset.load(data)
    epochs = batches.EPOCHS if epochs is None else epochs
    engine.make_deterministic(seed)
    started = time.monotonic()
    model = network.build(examples.parameters, len(examples.labels))
    steps = batches.count(examples.train, epochs)
    stream = batches.batches(examples.train, epochs, seed)
    with tqdm(
        network.train(model, stream, steps),
        total=steps,
        desc=f"Training, {epochs} epochs",
        unit=" batches",
        mininterval=0.5,
        ncols=88,
    ) as bar:
        for loss in bar:
            bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
    facts = candidate.Facts(
        task=task.NAME,
        labels=examples.labels,
        parameters=examples.parameters,
        data=None if data is None else str(data.resolve()),
        data_sha256=examples.sha256(),
        train_examples=len(examples.train),
        epochs=epochs,
        seed=seed,
        seconds=round(time.monotonic() - started, 1),
        trained_at=datetime.now(UTC).isoformat(timespec="seconds"),
        made_with=engine.versions(),
    )
    with staged(folder) as staging:
        engine.save(model, staging / engine.WEIGHTS)
        candidate.write(facts, staging / candidate.FACTS)
    return facts
