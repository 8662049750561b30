"""Texts in the making: tokens as they come -> pieces of text, to the end.

Belongs to the request's thread; knows nothing of models or HTTP.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from service.detokenizing import Detokenizer, StopStrings
from service.sampling import Sampling
from service.sequences import Answer, Answers, FinishReason

PATIENCE_SECONDS = 0.5
"""After so long without text a stream is given nothing, so that it can see if its reader left."""

_CONTEXT_TOKENS = 8
"""Of the end of a prompt: enough to see how a text goes on from it."""


@dataclass(frozen=True)
class Generation:
    """One text that is wanted.

    Args:
        tokens: of the prompt.
        sampling: how the next tokens are chosen.
        max_new_tokens: most tokens of the text; what the service and the context allow when
            ``None``.
        stop: strings that end the text and are no part of it.
        goes_on: the text goes on from the prompt's last word, and is no message of its own.
        prompt_field: what the caller called the prompt, for errors.
        limit_field: what the caller called ``max_new_tokens``.
    """

    tokens: Sequence[int]
    sampling: Sampling
    max_new_tokens: int | None = None
    stop: Sequence[str] = ()
    goes_on: bool = True
    prompt_field: str = "text"
    limit_field: str = "max_new_tokens"


@dataclass(frozen=True)
class Piece:
    """Some more of a text.

    Args:
        number: which of the request's texts.
        text: what follows the former piece; may be empty.
        finish_reason: of the last piece: ``stop`` for the text's own end or a stop string,
            ``length`` when it was cut off.
    """

    number: int
    text: str
    finish_reason: FinishReason | None = None


@dataclass(frozen=True)
class Completion:
    """A text that is complete.

    Args:
        text: what follows the prompt.
        finish_reason: as in :class:`Piece`.
        new_tokens: how many tokens the model gave; those of a stop string count.
    """

    text: str
    finish_reason: FinishReason
    new_tokens: int


class _Text:
    """One text in the making."""

    def __init__(
        self, answer: Answer, generation: Generation, decode: Callable[[Sequence[int]], str]
    ) -> None:
        context = generation.tokens[-_CONTEXT_TOKENS:] if generation.goes_on else ()
        self._answer = answer
        self._detokenizer = Detokenizer(decode, context)
        self._stop = StopStrings(generation.stop)
        self.new_tokens = 0
        self.finish_reason: FinishReason | None = None

    def push(self, item: "int | FinishReason") -> str:
        """What the next token, or the end, adds to the text."""
        if isinstance(item, str):
            self.finish_reason = item
            return self._stop.finish()
        self.new_tokens += 1
        piece = self._stop.push(self._detokenizer.push(item))
        if self._stop.is_reached:
            self.finish_reason = "stop"
            self._answer.stop()
        return piece


class TextStream:
    """The texts of one request as they come; belongs to one thread.

    To be closed, so that places become free of which nobody waits for the texts any more.

    Args:
        answers: the tokens.
        generations: what was wanted.
        decode: tokens to text.
    """

    def __init__(
        self,
        answers: Answers,
        generations: Sequence[Generation],
        decode: Callable[[Sequence[int]], str],
    ) -> None:
        self._answers = answers
        self._texts = [
            _Text(answer, generation, decode)
            for answer, generation in zip(answers.each, generations, strict=True)
        ]

    def pieces(self) -> Iterator[Piece | None]:
        """The texts, piece by piece; ``None`` from time to time when there is nothing to give.

        Raises:
            DeadlineExceeded, ModelFailed: as their names say.
        """
        unfinished = len(self._texts)
        given = time.monotonic()
        while unfinished:
            piece = self._next_piece()
            if piece is None and time.monotonic() - given < PATIENCE_SECONDS:
                continue
            if piece and piece.finish_reason:
                unfinished -= 1
            yield piece
            given = time.monotonic()

    @property
    def new_tokens(self) -> int:
        """How many tokens the model has given so far; those of stop strings count."""
        return sum(text.new_tokens for text in self._texts)

    def completions(self) -> list[Completion]:
        """The whole texts.

        Raises:
            DeadlineExceeded, ModelFailed: as their names say.
        """
        whole = [""] * len(self._texts)
        for piece in self.pieces():
            if piece:
                whole[piece.number] += piece.text
        return [
            Completion(text, each.finish_reason or "length", each.new_tokens)
            for text, each in zip(whole, self._texts, strict=True)
        ]

    def close(self) -> None:
        """Say that the caller gave up."""
        self._answers.cancel()

    def _next_piece(self) -> Piece | None:
        """The next piece; ``None`` when there is none yet."""
        came = self._answers.take(PATIENCE_SECONDS)
        if came is None:
            return None
        number, item = came
        text = self._texts[number]
        if text.finish_reason:  # by a stop string, of which the executor did not know yet
            return None
        piece = text.push(item)
        return Piece(number, piece, text.finish_reason) if piece or text.finish_reason else None
