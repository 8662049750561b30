"""What the task's tests ask, and what a model that is no model answers."""

import json
from pathlib import Path

import numpy as np

from model.preprocess import NAME, Parameters
from service.lifecycle.start import learn_tokenizer
from service.manifest import Arrays, Signature

TASK = NAME
LABELS = ["calm", "loud"]
PARAMETERS = {"max_length": 16, "network": {}}
SIGNATURE: Signature = Parameters(max_length=16, network={}).signature(len(LABELS))

POISON = "poison"
"""A text with this word makes the fake model raise."""
WORDS = ["the", "quiet", "whisper", "shout", "a", "noise", POISON]
_TOKENIZER = learn_tokenizer(WORDS, vocabulary_size=200, lowercase=True)
IDS: dict[str, int] = json.loads(_TOKENIZER)["model"]["vocab"]


def write_assets(folder: Path) -> None:
    """What a version of the task has beside the manifest."""
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "tokenizer.json").write_bytes(_TOKENIZER)


ROUTE = "/predict"
RAW_MEDIA_TYPE = "text/plain"
VALUE = "a shout, the noise"
"""An input, whose answer is ``ANSWER``."""
RAW = VALUE.encode()
"""The same as a body of its own."""
BODY = {"text": VALUE}
"""The same as a request."""
ANSWER = "loud"
OTHER_VALUE = "the quiet whisper"
OTHER_RAW = OTHER_VALUE.encode()
OTHER_ANSWER = "calm"
POISON_VALUE = f"the {POISON}"
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

EPOCHS = 6
THRESHOLD = 0.5
"""Enough to tell a model that has learnt something from one that has not."""


def outputs(arrays: Arrays) -> Arrays:
    """What the fake model says: how many loud words the text has."""
    loud = sum(int(_has(arrays, word)) for word in ("shout", "noise"))
    return {"logits": np.array([1 - loud, loud - 1], np.float32) * 4}


def is_poison(arrays: Arrays) -> bool:
    """Whether the fake model raises."""
    return _has(arrays, POISON)


def _has(arrays: Arrays, word: str) -> bool:
    return bool((arrays["input_ids"] == IDS[word]).any())
