"""What the task's tests ask, and what a model that is no model answers."""

import json
from pathlib import Path

import numpy as np

from model.preprocess import NAME, Parameters
from service.lifecycle.start import learn_tokenizer
from service.manifest import Arrays, Signature
from service.tags import tags_of

TASK = NAME
LABELS = tags_of(["LOC", "PER"])
PARAMETERS = {"max_length": 16, "network": {}}
SIGNATURE: Signature = Parameters(max_length=16, network={}).signature(len(LABELS))

POISON = "poison"
"""A text with this word makes the fake model raise."""
TAGS = {"Ada": "B-PER", "Lovelace": "I-PER", "Turin": "B-LOC"}
"""How the fake model tags a token; all others stand outside of entities."""
WORDS = [*TAGS, "left", "for", "a", "walk", ".", POISON]
_TOKENIZER = learn_tokenizer(WORDS, vocabulary_size=200, lowercase=False)
_IDS: dict[str, int] = json.loads(_TOKENIZER)["model"]["vocab"]


def write_assets(folder: Path) -> None:
    """What a version of the task has beside the manifest."""
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "tokenizer.json").write_bytes(_TOKENIZER)


ROUTE = "/predict"
RAW_MEDIA_TYPE = "text/plain"
VALUE = "Ada Lovelace left Turin."
"""An input, whose answer is ``ANSWER``."""
RAW = VALUE.encode()
"""The same as a body of its own."""
BODY = {"text": VALUE}
"""The same as a request."""
ANSWER = [
    {"text": "Ada Lovelace", "label": "PER", "start": 0, "end": 12, "score": 1.0},
    {"text": "Turin", "label": "LOC", "start": 18, "end": 23, "score": 1.0},
]
OTHER_VALUE = "a walk"
OTHER_RAW = OTHER_VALUE.encode()
OTHER_ANSWER: list[object] = []
POISON_VALUE = f"a {POISON}"
"""An input on which the fake model raises."""
BAD_VALUES = {
    "empty": "",
    "blank": " \r\n\t\u3000",
    "a million characters": "x" * 1_000_000,
    "with NUL": "a\0b",
    "a lone surrogate": "\ud800",
    "not a string": 7,
    "a list": ["a"],
    "null": None,
}
"""Values that are each answered with a 4xx that names the field."""

EPOCHS = 2
THRESHOLD = 0.2
"""Enough to tell a model that has learnt something from one that has not."""


def outputs(arrays: Arrays) -> Arrays:
    """What the fake model says: the tags of the words that it knows."""
    tags = {_IDS[word]: LABELS.index(tag) for word, tag in TAGS.items()}
    logits = np.zeros((len(arrays["input_ids"]), len(LABELS)), np.float32)
    for row, token in zip(logits, arrays["input_ids"].tolist(), strict=True):
        row[tags.get(token, 0)] = 1000  # so that the probability is 1
    return {"logits": logits}


def is_poison(arrays: Arrays) -> bool:
    """Whether the fake model raises."""
    return bool((arrays["input_ids"] == _IDS[POISON]).any())
