"""Text -> tokens -> the arrays of a BERT-class encoder. Knows nothing of labels, models or HTTP."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from tokenizers import Encoding, Tokenizer

from service.errors import BadValue
from service.manifest import Arrays, Tensor

TOKENIZER = "tokenizer/tokenizer.json"
"""In a version's folder."""

BUCKETS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Lengths to which texts are padded, so that texts of about one length can share a batch."""


class EncoderParameters(BaseModel):
    """What a text must become; lies in the manifest as ``parameters``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_length: int = Field(ge=8)
    """Most tokens of one text, those that the tokenizer adds included."""
    network: dict[str, Any]
    """What ``model/network.py`` builds the network from."""

    @property
    def lengths(self) -> list[int]:
        """The lengths to which texts are padded, shortest first."""
        return sorted({*(size for size in BUCKETS if size < self.max_length), self.max_length})

    @property
    def inputs(self) -> list[Tensor]:
        """What the encoder reads: token ids, and 1 where there is a token, 0 where padding."""
        return [
            Tensor(name=name, dtype="int64", shape=(None, None))
            for name in ("input_ids", "attention_mask")
        ]


@dataclass(frozen=True)
class Prepared:
    """One text, ready for the model.

    Args:
        text: as the caller sent it.
        arrays: ``{"input_ids": (L,) int64, "attention_mask": (L,) int64}``.
        encoding: its tokens, without padding.
        truncated: whether the end of the text is left out.
    """

    text: str
    arrays: Arrays
    encoding: Encoding
    truncated: bool


class Encoder:
    """Makes arrays from texts; what looks like a special token there, as ``[SEP]``, is text.

    Args:
        tokenizer: of the model.
        max_length: most tokens of one text.
        long_text: what becomes of a text with more.
    """

    def __init__(
        self, tokenizer: Tokenizer, max_length: int, long_text: Literal["truncate", "refuse"]
    ) -> None:
        self._tokenizer = tokenizer
        self._max_length = max_length
        self._refuses = long_text == "refuse"
        self._vocabulary_size = tokenizer.get_vocab_size()
        self._pad_id = tokenizer.token_to_id("[PAD]") or 0
        tokenizer.encode_special_tokens = True  # as text
        tokenizer.no_padding()
        if self._refuses:
            tokenizer.no_truncation()
        else:
            tokenizer.enable_truncation(max_length)

    def encode(self, text: str) -> Prepared:
        """Make one input of the model from *text*; ``BadValue`` where it has too many tokens."""
        encoding = self._tokenizer.encode(text)
        if self._refuses and len(encoding) > self._max_length:
            raise BadValue(f"{len(encoding)} tokens; at most {self._max_length} are accepted")
        arrays = self.pad([encoding.ids])
        return Prepared(
            text=text,
            arrays={name: array[0] for name, array in arrays.items()},
            encoding=encoding,
            truncated=bool(encoding.overflowing),
        )

    def pad(self, ids: list[list[int]]) -> Arrays:
        """One batch of texts.

        Args:
            ids: the tokens of each.

        Returns:
            ``{"input_ids": (N, L) int64, "attention_mask": (N, L) int64}``, L a bucket's length.
        """
        length = min(self._max_length, bucket(max(map(len, ids))))
        input_ids = np.full((len(ids), length), self._pad_id, np.int64)
        attention_mask = np.zeros((len(ids), length), np.int64)
        for row, tokens in enumerate(ids):
            input_ids[row, : len(tokens)] = tokens
            attention_mask[row, : len(tokens)] = 1
        return {"input_ids": input_ids, "attention_mask": attention_mask}

    def check(self, arrays: Arrays) -> None:
        """See whether *arrays*, of one text, are what :meth:`encode` could have made.

        ``BadValue`` where they are not: the model would raise, or answer nonsense.
        """
        ids, mask = arrays["input_ids"], arrays["attention_mask"]
        if ids.shape != mask.shape:
            raise BadValue("input_ids and attention_mask differ in length")
        if not 1 <= len(ids) <= self._max_length:
            raise BadValue(f"{len(ids)} tokens; 1 to {self._max_length} are accepted")
        if ids.min() < 0 or ids.max() >= self._vocabulary_size:
            raise BadValue(f"input_ids: 0 to {self._vocabulary_size - 1} are accepted")
        if not (np.isin(mask, (0, 1)).all() and mask[0] == 1 and (np.diff(mask) <= 0).all()):
            raise BadValue("attention_mask: ones and then zeros are accepted, at least one 1")


def bucket(length: int) -> int:
    """The length to which a text of *length* tokens is padded."""
    return next((size for size in BUCKETS if size >= length), -(-length // 256) * 256)


def read_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of the version in *folder*."""
    return Tokenizer.from_file(str(folder / TOKENIZER))
