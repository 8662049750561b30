# only: in-process | pytorch
"""The running batch: sequences side by side, each in a row of the model (continuous batching).

In each round at most ``prefill_tokens`` of new prompts are read, and no more than takes as long as
two steps of the running sequences; then each of them gets its next token. So a long prompt does not
halt the others. Rows in use are adjacent: a row
that becomes free takes over the last one. Behind the running sequences there may be one whose
prompt is being read. All this belongs to one thread.
"""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from service import tracing
from service.errors import ModelFailed
from service.logs import log
from service.metrics import Metrics
from service.sampling import Sampler
from service.texts import Answer, Ending

_STEPS_OF_PROMPTS = 2
"""So many steps of the running sequences may a piece of a prompt take, as measured."""
_LEAST_OF_PROMPTS = 8
"""Tokens of a piece, however long they take; so prompts come to their end beside fast steps."""
_SMOOTHING = 0.1
"""Weight of the newest sequence in the measured time per sequence."""


class Decoder(Protocol):
    """Runs the model, and keeps for each row what the model has read of it."""

    vocabulary_size: int

    def step(
        self, first_row: int, tokens: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Read some tokens of adjacent rows.

        Args:
            first_row: of them.
            tokens: ``(rows, tokens) int64``.
            lengths: ``(rows,) int64``: how many tokens each row has read before. What a row has
                read behind them does not count.

        Returns:
            ``(rows, vocabulary) float32``: logits of the token that follows.
        """

    def move(self, source: int, target: int, length: int) -> None:
        """Let the row *target* have read what *source* has, *length* tokens."""

    def forget(self, row: int) -> None:
        """Give back what *row* has taken; it is not needed before it is read anew."""


class _Sequence:
    def __init__(self, answer: Answer, vocabulary_size: int) -> None:
        self.answer = answer
        self.prompt = answer.prompt
        self.sampler = Sampler(self.prompt.sampling, self.prompt.tokens, vocabulary_size)
        self.length = 0  # tokens that the model has read
        self.next_token = -1
        self.count = 0  # tokens given
        self.started = time.monotonic()


class Rows:
    """The rows of a decoder, and the sequences in them.

    At most *most* run side by side, and at most *prefill_tokens* tokens of prompts are read between
    two tokens of the others.
    """

    def __init__(
        self, decoder: Decoder, metrics: Metrics, *, most: int, prefill_tokens: int
    ) -> None:
        self._decoder = decoder
        self._metrics = metrics
        self._most = most
        self._prefill_tokens = prefill_tokens
        self._running: list[_Sequence] = []  # in the order of their rows
        self._reading: _Sequence | None = None  # in the row behind them
        self._step_since: float | None = None
        self._step_seconds = self._token_seconds = 0.0
        """How long the last step of all, and a token of the last piece of a prompt have taken."""
        self.seconds_per_sequence = 0.0
        """How long a sequence has its row, as measured; 0 before the first has ended."""

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def is_reading(self) -> bool:
        return self._reading is not None

    @property
    def busy_seconds(self) -> float:
        """How long the present step has taken so far; 0 when idle."""
        since = self._step_since
        return 0.0 if since is None else time.monotonic() - since

    def round(self, next_waiting: Callable[[], Answer | None]) -> None:
        """Let sequences join and leave, and give each that runs one more token."""
        self.drop_given_up()
        left = self._share_of_prompts()
        while left > 0:
            if not self.is_reading:
                answer = next_waiting() if self.running < self._most else None
                if answer is None:  # nothing waits, or has room
                    break
                self.begin(answer)
            left -= self.read(left)
        self.advance()
        self._metrics.running.set(self.running)

    def _share_of_prompts(self) -> int:
        """How many tokens of prompts may be read before the next step."""
        if not (self.running and self._step_seconds and self._token_seconds):
            return self._prefill_tokens
        in_time = int(_STEPS_OF_PROMPTS * self._step_seconds / self._token_seconds)
        return min(self._prefill_tokens, max(_LEAST_OF_PROMPTS, in_time))

    def begin(self, answer: Answer) -> None:
        self._reading = _Sequence(answer, self._decoder.vocabulary_size)

    def read(self, most: int) -> int:
        """Read up to *most* tokens of the prompt; gives how many were read."""
        sequence = self._reading
        if sequence is None:
            return 0
        tokens = sequence.prompt.tokens[sequence.length : sequence.length + most]
        started = time.monotonic()
        (logits,) = self._step(self.running, [sequence], [tokens])
        self._token_seconds = (time.monotonic() - started) / len(tokens)
        if logits is None:
            self._reading = None
            self._decoder.forget(self.running)
            self._fail(sequence)
            return len(tokens)
        self._metrics.prompt_tokens.inc(len(tokens))
        if sequence.length == len(sequence.prompt.tokens):
            self._reading = None
            self._running.append(sequence)
            self._accept(self.running - 1, logits)
        return len(tokens)

    def advance(self) -> None:
        """Give every running sequence one more token."""
        if not self._running:
            return
        started = time.monotonic()
        tokens = [[sequence.next_token] for sequence in self._running]
        found = self._step(0, self._running, tokens)
        for row in reversed(range(self.running)):  # from the last, which moves into a free row
            self._accept(row, found[row])
        self._step_seconds = time.monotonic() - started
        self._metrics.step_seconds.observe(self._step_seconds)

    def drop_given_up(self) -> None:
        """Free the rows of sequences whose callers gave up."""
        if self._reading and (ending := self._reading.answer.given_up):
            self._end(self._reading, ending)
            self._reading = None
            self._decoder.forget(self.running)
        for row in reversed(range(self.running)):
            if ending := self._running[row].answer.given_up:
                self._leave(row, ending)

    def _step(
        self, first_row: int, sequences: Sequence[_Sequence], tokens: Sequence[Sequence[int]]
    ) -> list[npt.NDArray[np.float32] | None]:
        """Read *tokens* of *sequences*, which have the rows from *first_row* on.

        Returns:
            Logits for each; ``None`` for one on which the model raises.
        """
        lengths = [sequence.length for sequence in sequences]
        self._step_since = time.monotonic()
        try:
            logits = self._decoder.step(
                first_row, np.asarray(tokens, np.int64), np.asarray(lengths, np.int64)
            )
            if logits.shape != (len(sequences), self._decoder.vocabulary_size):
                raise ModelFailed(f"The logits have the shape {logits.shape}.")
        except Exception:  # noqa: BLE001  # a model may raise anything
            log.exception("step_failed", rows=len(sequences), tokens=len(tokens[0]))
            self._metrics.step_failures.inc()
        else:
            for sequence, read in zip(sequences, tokens, strict=True):
                sequence.length += len(read)
            return list(logits)
        finally:
            self._step_since = None
        if len(sequences) == 1:
            return [None]
        return [
            self._step(first_row + i, sequences[i : i + 1], tokens[i : i + 1])[0]
            for i in range(len(sequences))
        ]

    def _accept(self, row: int, logits: npt.NDArray[np.float32] | None) -> None:
        """Choose the sequence's next token; where it ends, its row becomes free."""
        sequence = self._running[row]
        if logits is None:
            self._fail(sequence, row)
            return
        try:
            token = sequence.sampler.choose(logits)
        except ModelFailed:
            log.error("logits_not_finite", row=row)
            self._fail(sequence, row)
            return
        if token in sequence.prompt.end_tokens:
            sequence.answer.put("stop")
            self._leave(row, "stop")
            return
        self._give(sequence, token)
        if sequence.count == sequence.prompt.max_new_tokens:
            sequence.answer.put("length")
            self._leave(row, "length")

    def _give(self, sequence: _Sequence, token: int) -> None:
        if sequence.count == 0:
            seconds = time.monotonic() - sequence.answer.since
            self._metrics.first_token_seconds.observe(seconds)
            first, size = round(seconds * 1000, 2), len(self._running)
            sequence.answer.times.update(first_token_milliseconds=first, batch=size)
        sequence.next_token = token
        sequence.count += 1
        self._metrics.generated_tokens.inc()
        sequence.answer.put(token)

    def _fail(self, sequence: _Sequence, row: int | None = None) -> None:
        """End a sequence on which the model failed; *row* is its own where it runs."""
        sequence.answer.put(ModelFailed("The model failed on this input."))
        if row is None:
            self._end(sequence, "failed")
        else:
            self._leave(row, "failed")

    def _leave(self, row: int, ending: Ending) -> None:
        """Free *row*: the last sequence moves into it, and a prompt that is being read follows."""
        self._end(self._running[row], ending)
        last = self._running.pop()
        if row < self.running:
            self._decoder.move(self.running, row, last.length)
            self._running[row] = last
        free = self.running
        if self._reading and self._reading.length:
            free += 1
            self._decoder.move(free, self.running, self._reading.length)
        self._decoder.forget(free)

    def _end(self, sequence: _Sequence, ending: Ending) -> None:
        self._metrics.endings.labels(ending).inc()
        answer = sequence.answer
        tracing.text(answer.span, time.monotonic() - answer.since, ending, answer.times)
        newest = time.monotonic() - sequence.started
        known = self.seconds_per_sequence or newest
        self.seconds_per_sequence = known + _SMOOTHING * (newest - known)
# end
