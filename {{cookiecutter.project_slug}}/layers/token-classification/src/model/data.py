"""Your labels, your texts: the examples that the model is trained on and judged by.

With ``--data PATH``, PATH is a file in JSON Lines, or a folder with such a file ``train.jsonl`` and
perhaps another, ``held-out.jsonl``. A line is a text with its entities, as in an answer of the
service::

    {"text": "Ada left Turin.", "entities": [{"start": 9, "end": 14, "label": "LOC"}]}

Where nothing is held out, a quarter of the examples is. Without PATH, the starter's examples in
``data/``. With ``--base-model`` alone, a checkpoint that tags tokens already is taken as it is.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model.preprocess import words_of
from service.encoding import Encoder, Prepared
from service.lifecycle.labelled import Labelled, Mark, labels_in, read, with_other_names
from service.lifecycle.source import Checkpoint, Source
from service.lifecycle.start import make_batch, start, version_start
from service.tags import OUTSIDE, tags_of
from service.training import GOLDEN_EXAMPLES, UNKNOWN, Dataset, Examples, Recipe

__all__ = ["load", "make_batch", "recipe"]

STARTER = Path(__file__).parents[2] / "data"

HEAD = "ForTokenClassification"
"""How the names of classes end whose checkpoints do the task already."""

IS_STARTER = True  # pipelines publish no starter: say False once these examples are yours

THRESHOLD = 0.55
"""A candidate whose F1 over entities is lower is not exported."""

VOCABULARY_SIZE = 800
"""Most words and pieces of words that a network from scratch knows; with more, it learns by heart
words that occur once."""

STARTER_ORIGIN = (
    "Written for this project; people and organisations are invented. What is held out was written "
    "apart and shares no sentence with the rest."
)
SPLIT = (
    "Where nothing was held out beforehand, the split is at random. Texts that belong together "
    "(one writer, one source) may be in both halves."
)

FROM_SCRATCH = Recipe(epochs=2, batch_size=32, peak_learning_rate=1.5e-3, warm_up_share=0.1)
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
    tags = checkpoint and checkpoint.labels(HEAD)
    if checkpoint and tags and source.data is None:
        return _as_it_is(checkpoint, tags)
    train, held_out = read(source.data or STARTER)
    tags = tags_of(labels_in([*train, *held_out]))
    begun = (
        version_start(version)
        if version
        else start(
            checkpoint,
            [example.text for example in train],
            vocabulary_size=VOCABULARY_SIZE,
            lowercase=False,
        )
    )
    encoder = begun.encoder()
    more = [] if checkpoint else with_other_names(train)
    counts = Counter(mark.label for example in train for mark in example.entities)
    listed = ", ".join(f"{label} {count}" for label, count in sorted(counts.items()))
    return Dataset(
        labels=tags,
        parameters=begun.parameters,
        train=_examples(encoder, [*train, *more], tags),
        held_out=_examples(encoder, held_out, tags),
        description=(
            f"{len(train)} texts to learn from, with entities: {listed}."
            f"{f' {len(more)} copies of them have other names.' if more else ''} "
            f"{STARTER_ORIGIN if source.data is None else SPLIT}"
        ),
        limits=[
            "Texts of another kind than these: other topics, other languages, other spelling.",
            "Entities of other kinds, and entities within entities.",
        ],
        threshold=THRESHOLD,
        assets=begun.assets,
    )


def _examples(encoder: Encoder, examples: Sequence[Labelled], tags: Sequence[str]) -> Examples:
    prepared = [encoder.encode(example.text) for example in examples]
    inputs = encoder.pad([each.encoding.ids for each in prepared])
    targets = np.full(inputs["input_ids"].shape, UNKNOWN, np.int64)
    for row, each, example in zip(targets, prepared, examples, strict=True):
        _write_targets(row, each, example.entities, tags)
    return Examples(inputs, targets)


def _write_targets(
    row: npt.NDArray[np.int64], prepared: Prepared, marks: Sequence[Mark], tags: Sequence[str]
) -> None:
    """Put each word's tag at its first token; a word belongs to the entity that it stands in."""
    begun: set[Mark] = set()
    for token, first, behind in words_of(prepared):
        mark = next((each for each in marks if each.start < behind and first < each.end), None)
        if mark is None:
            row[token] = tags.index(OUTSIDE)
            continue
        row[token] = tags.index(f"{'I' if mark in begun else 'B'}-{mark.label}")
        begun.add(mark)


def _as_it_is(checkpoint: Checkpoint, tags: list[str]) -> Dataset:
    """Nothing to learn, and the starter's texts as golden inputs, whose answers nobody knows."""
    begun = start(checkpoint, [], vocabulary_size=0, lowercase=False)
    encoder = begun.encoder()
    texts = [each.text for each in read(STARTER)[1][:GOLDEN_EXAMPLES]]
    asked = encoder.pad([encoder.encode(text).encoding.ids for text in texts])
    unknown = np.full(asked["input_ids"].shape, UNKNOWN, np.int64)
    return Dataset(
        labels=tags,
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
