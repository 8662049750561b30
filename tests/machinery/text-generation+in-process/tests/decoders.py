"""A decoder that shows when rows are mixed up: its tokens follow from all that a row has read."""

import hashlib
import threading
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from service.errors import ModelFailed
from service.sampling import Sampling
from service.texts import FinishReason, Item, Prompt

VOCABULARY_SIZE = 40
END = 0
POISON = 38
"""A sequence that begins with it makes the decoder raise from a length on."""
NOT_A_NUMBER = 39
"""A sequence that begins with it has logits that are none from a length on."""
SPOILT_LENGTH = 9


def follow(read: Sequence[int]) -> int:
    """The token that follows *read*; now and then it is the end."""
    digest = hashlib.blake2b(bytes(read), digest_size=2).digest()
    return int.from_bytes(digest, "big") % 30


def is_spoilt(read: Sequence[int], kind: int) -> bool:
    """Whether the sequence of this *kind* has come so far."""
    return read[0] == kind and len(read) >= SPOILT_LENGTH


def prompt(*tokens: int, max_new_tokens: int = 6) -> Prompt:
    """A prompt whose answer is :func:`expected`."""
    return Prompt(tokens, Sampling(), max_new_tokens, frozenset({END}))


def expected(asked: Prompt) -> "list[int | FinishReason | type[ModelFailed]]":
    """All that is given for a prompt, to the end."""
    read = list(asked.tokens)
    given: list[int | FinishReason | type[ModelFailed]] = []
    while True:
        if is_spoilt(read, POISON) or is_spoilt(read, NOT_A_NUMBER):
            return [*given, ModelFailed]
        token = follow(read)
        if token == END:
            return [*given, "stop"]
        given.append(token)
        read.append(token)
        if len(given) == asked.max_new_tokens:
            return [*given, "length"]


def plain(item: Item) -> "int | FinishReason | type[Exception]":
    """*item*, an error by its kind."""
    return type(item) if isinstance(item, Exception) else item


class Remembering:
    """Remembers what each row has read.

    Args:
        rows: how many there are.
    """

    vocabulary_size = VOCABULARY_SIZE

    def __init__(self, rows: int) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.steps: list[tuple[int, int, int]] = []
        """Of each step the first row, the rows, and the tokens of each."""
        self._read: list[list[int]] = [[] for _ in range(rows)]

    def step(
        self, first_row: int, tokens: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Read *tokens*."""
        self.entered.set()
        self.gate.wait(10)
        count, new = tokens.shape
        self.steps.append((first_row, count, new))
        for row, length in enumerate(lengths.tolist()):
            read = self._read[first_row + row]
            assert length <= len(read), "The row has not read so much."
            read[length:] = tokens[row].tolist()
        return np.stack([self._logits(self._read[first_row + row]) for row in range(count)])

    def move(self, source: int, target: int, length: int) -> None:
        """Let the row *target* have read what *source* has; then *source* has read nothing."""
        assert source != target
        assert len(self._read[source]) >= length
        self._read[target] = self._read[source][:length]
        self._read[source] = []

    def forget(self, row: int) -> None:
        """Let *row* have read nothing."""
        self._read[row] = []

    @property
    def rows_kept(self) -> int:
        """How many rows have read something."""
        return sum(map(bool, self._read))

    def _logits(self, read: list[int]) -> npt.NDArray[np.float32]:
        if is_spoilt(read, POISON):
            raise RuntimeError("poisoned")
        logits = np.zeros(VOCABULARY_SIZE, np.float32)
        logits[follow(read)] = np.nan if is_spoilt(read, NOT_A_NUMBER) else 1
        return logits
