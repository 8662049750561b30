"""Your preprocessing: a text becomes tokens, tags of tokens become entities in the text.

A word has the tag of its first token; tokens behind it have no say ("first" in the literature). In
scripts without spaces, where a tokenizer sees no words, each token is a word.
``service/tags.py`` says how words become entities. No HTTP and no machine-learning framework here.
"""

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from model.schemas import Entity, Prediction
from service import manifest as manifests
from service.encoding import TOKENIZER, Encoder, EncoderParameters, Prepared, read_tokenizer
from service.errors import ModelFailed
from service.manifest import Arrays, Manifest, Signature, Tensor
from service.numerics import probabilities
from service.settings import Settings
from service.tags import spans
from service.text import Value, read_text

__all__ = ["NAME", "Parameters", "Prepared", "Task", "words_of"]

NAME = "token-classification"


class Parameters(EncoderParameters):
    """What a text must become; lies in the manifest as ``parameters``."""

    def signature(self, label_count: int) -> Signature:
        """The signature of a model that reads such texts."""
        logits = Tensor(name="logits", dtype="float32", shape=(None, None, label_count))
        return Signature(inputs=self.inputs, outputs=[logits])


class Task:
    """Reads texts and finds the entities in them.

    Args:
        folder: the version's; the tokenizer lies there.
        manifest: the model's; its labels are tags of words.
        settings: limits of a request.

    Raises:
        OwnerError: the tokenizer is missing, or changed since the export.
    """

    def __init__(self, folder: Path, manifest: Manifest, settings: Settings) -> None:
        manifests.check_files(folder, manifest, below=TOKENIZER)
        parameters = Parameters.model_validate(manifest.parameters)
        self._encoder = Encoder(read_tokenizer(folder), parameters.max_length, settings.long_text)
        self._manifest = manifest
        self._tags = manifest.labels
        self._settings = settings

    def check_request(self, _values: Sequence[Value]) -> None:
        """Nothing to refuse: each text is limited by itself."""

    def preprocess(self, value: Value) -> Prepared:
        """Make one input of the model from a text.

        Raises:
            BadValue: *value* is no text, is empty or too long.
        """
        text = read_text(value, max_characters=self._settings.max_text_characters)
        return self._encoder.encode(text)

    def check(self, arrays: Arrays) -> None:
        """See whether *arrays* can be what :meth:`preprocess` gives.

        Raises:
            BadValue: they cannot.
        """
        self._encoder.check(arrays)

    def postprocess(self, prepared: Prepared, outputs: Arrays) -> Prediction:
        """Find the entities of one text.

        Args:
            prepared: the text, and its tokens.
            outputs: ``{"logits": (L, tags) float32}``, or what the manifest says; L at least the
                number of tokens.

        Raises:
            ModelFailed: the outputs do not fit tokens and tags, or are not finite.
        """
        values = outputs[self._manifest.signature.outputs[0].name]
        words = words_of(prepared)
        if values.shape[1:] != (len(self._tags),) or len(values) < len(prepared.encoding):
            raise ModelFailed("The model's output is not a score of every tag for every token.")
        of_words = values[[word.first_token for word in words]]  # (words, tags)
        if not np.isfinite(of_words).all():
            raise ModelFailed("The model's output is not finite.")
        entities = []
        found = spans(probabilities(of_words, self._manifest.scores), self._tags)
        for label, first, last, score in found:
            start, end = place(prepared.text, words[first].start, words[last].end)
            text = prepared.text[start:end]
            entities.append(Entity(text=text, label=label, start=start, end=end, score=score))
        return Prediction(prediction=entities, truncated=prepared.truncated)


class Word(NamedTuple):
    """A word as the tokenizer sees it.

    ``start`` is its first character, ``end`` the one behind its last.
    """

    first_token: int
    start: int
    end: int


_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "THAI", "LAO", "KHMER", "MYANMAR")
"""How the names of characters begin between which a word, or its particle, can end."""


def words_of(prepared: Prepared) -> list[Word]:
    """The words of a text, in order; none is white space.

    What the tokenizer takes for one word ends at punctuation and in scripts without spaces.
    """
    text, encoding = prepared.text, prepared.encoding
    words: list[Word] = []
    former = None
    places = zip(encoding.word_ids, encoding.tokens, encoding.offsets, strict=True)
    for index, (word, token, (start, end)) in enumerate(places):
        if word is None or not token.strip("▁") or not text[start:end].strip():
            continue
        if word == former and (start < words[-1].end or _goes_on(text, start)):
            words[-1] = words[-1]._replace(end=end)
        else:
            words.append(Word(index, start, end))
        former = word
    return words


def _goes_on(text: str, start: int) -> bool:
    """Whether a word goes on from the character before *start* to the one there."""
    return all(
        unicodedata.category(character)[0] in "LMN"
        and not unicodedata.name(character, "").startswith(_UNSPACED)
        for character in text[start - 1 : start + 1]
    )


def place(text: str, start: int, end: int) -> tuple[int, int]:
    """Where an entity is whose tokens are at *start* to *end*; not all of it is white space.

    Some tokenizers count the space before a word as its part, and some drop combining marks.
    """
    while text[start].isspace():
        start += 1
    while text[end - 1].isspace():
        end -= 1
    while end < len(text) and unicodedata.category(text[end]).startswith("M"):
        end += 1
    return start, end
