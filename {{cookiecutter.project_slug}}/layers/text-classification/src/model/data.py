"""Your labels, your texts: the labelled examples that the model is trained on and judged by.

With ``--data PATH``, PATH is a CSV file with the columns ``text`` and ``label``, or a folder with
such a file ``train.csv`` and perhaps another, ``held-out.csv``. Where nothing is held out, a
quarter of the examples is. Without PATH, the starter's examples in ``data/``.

With ``--base-model`` alone, a checkpoint that classifies texts already is taken as it is.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from service.errors import OwnerError
from service.lifecycle.labelled import Labelled, read
from service.lifecycle.source import Checkpoint, Source
from service.lifecycle.start import Start, make_batch, start, version_start
from service.training import GOLDEN_EXAMPLES, UNKNOWN, Dataset, Examples, Recipe

__all__ = ["load", "make_batch", "recipe"]

STARTER = Path(__file__).parents[2] / "data"

HEAD = "ForSequenceClassification"
"""How the names of classes end whose checkpoints do the task already."""

IS_STARTER = True  # pipelines publish no starter: say False once these examples are yours

THRESHOLD = 0.8
"""A candidate whose accuracy is lower is not exported."""

VOCABULARY_SIZE = 1500
"""Most words and pieces of words that a network from scratch knows; with more, it learns by heart
words that occur once."""

STARTER_ORIGIN = (
    "Written for this project, as customers of an online shop would write; no real person or "
    "company is meant. What is held out was written apart and shares no sentence with the rest."
)
SPLIT = (
    "Where nothing was held out beforehand, the split is at random, stratified by label. Texts "
    "that belong together (one writer, one thread) may be in both halves."
)

FROM_SCRATCH = Recipe(epochs=15, batch_size=32, peak_learning_rate=3e-4, warm_up_share=0.1)
FINE_TUNING = Recipe(epochs=3, batch_size=32, peak_learning_rate=5e-5, warm_up_share=0.1)


def load(source: Source, version: Path | None = None) -> Dataset:
    """The examples of *source*, or the starter's.

    Args:
        source: what a training starts from.
        version: the folder of a model version, to have the examples as that model reads them;
            ``None`` to have them as a new one would.

    Raises:
        OwnerError: they are not laid out as they should be, or a text cannot be read.
    """
    checkpoint = source.checkpoint()
    labels = checkpoint and checkpoint.labels(HEAD)
    if checkpoint and labels and source.data is None:
        return _as_it_is(checkpoint, labels)
    train, held_out = read(source.data or STARTER)
    counts = Counter(example.label for example in train)
    labels = sorted(counts)
    begun = (
        version_start(version)
        if version
        else start(
            checkpoint,
            [example.text for example in train],
            vocabulary_size=VOCABULARY_SIZE,
            lowercase=True,
        )
    )
    listed = ", ".join(f"{label} {counts[label]}" for label in labels)
    is_starter = source.data is None
    return Dataset(
        labels=labels,
        parameters=begun.parameters,
        train=_examples(begun, train, labels),
        held_out=_examples(begun, held_out, labels),
        description=(
            f"{'The starter: messages' if is_starter else 'Texts'} to learn from: {listed}. "
            f"{STARTER_ORIGIN if is_starter else SPLIT}"
        ),
        limits=[
            "Texts of another kind than these: other topics, other languages, much longer ones.",
            "Texts that are about none of the labels, or several: it names one all the same.",
        ],
        threshold=THRESHOLD,
        assets=begun.assets,
    )


def _examples(begun: Start, examples: Sequence[Labelled], labels: Sequence[str]) -> Examples:
    encoder = begun.encoder()
    ids = [encoder.encode(example.text).encoding.ids for example in examples]
    targets = [labels.index(example.label) for example in examples]
    return Examples(encoder.pad(ids), np.asarray(targets, dtype=np.int64))


def _as_it_is(checkpoint: Checkpoint, labels: list[str]) -> Dataset:
    """Nothing to learn, and the starter's texts as golden inputs, whose answers nobody knows.

    Raises:
        OwnerError: its head does not choose one of several labels.
    """
    problem = checkpoint.config.get("problem_type")
    if len(labels) < 2 or problem in {"multi_label_classification", "regression"}:  # noqa: PLR2004
        raise OwnerError(
            f'The base model in "{checkpoint.folder}" has {len(labels)} labels and the '
            f"problem_type {problem!r}; this service names one label of 2 or more. Take another "
            f"base model, or fine-tune this one on texts with one label each: DATA=..."
        )
    begun = start(checkpoint, [], vocabulary_size=0, lowercase=False)
    encoder = begun.encoder()
    texts = [example.text for example in read(STARTER)[1][:GOLDEN_EXAMPLES]]
    asked = encoder.pad([encoder.encode(text).encoding.ids for text in texts])
    unknown = np.full(len(texts), UNKNOWN, np.int64)
    return Dataset(
        labels=labels,
        parameters=begun.parameters,
        train=Examples({name: array[:0] for name, array in asked.items()}, unknown[:0]),
        held_out=Examples(asked, unknown),
        description="The base model is taken as it is. Here it learnt nothing.",
        limits=["It was not judged here: no examples with its labels were given."],
        threshold=None,
        assets=begun.assets,
    )


def recipe(source: Source) -> Recipe:
    """How the network is trained on what *source* starts from."""
    return FINE_TUNING if source.base_model else FROM_SCRATCH
