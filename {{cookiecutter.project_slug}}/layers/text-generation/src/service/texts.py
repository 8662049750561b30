"""Texts in the making: tokens as they come -> pieces of text.

Whatever runs the model puts tokens into an :class:`Answer`; the request's thread turns them into
text.
"""

import queue
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from structlog.contextvars import bind_contextvars
from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from service import tracing
from service.errors import (
    BadValue,
    CallerError,
    ContextLengthExceeded,
    DeadlineExceeded,
    InvalidInput,
    RequestTimeout,
)
from service.sampling import Sampling

if TYPE_CHECKING:
    from service.owner import Task

PATIENCE_SECONDS = 0.5
"""After so long without text a stream is given nothing, so that it can see if its reader left."""

_CONTEXT_TOKENS = 8
"""Of the end of a prompt: enough to see how a text goes on from it."""
_UNREADABLE = "\ufffd"
"""What a decoder gives for bytes that are no character, or not yet one."""

FinishReason = Literal["stop", "length"]
"""``stop`` where the text ended, ``length`` where a limit was reached."""

Ending = Literal["stop", "length", "cancelled", "deadline", "failed"]
"""How a sequence ended."""

Item: TypeAlias = int | FinishReason | CallerError
"""A token, or the end."""


@dataclass(frozen=True)
class Generation:
    """One text that is wanted; errors name *prompt_field* of the request."""

    tokens: Sequence[int]
    sampling: Sampling
    max_new_tokens: int | None = None  # or as many as the service and the context allow
    stop: Sequence[str] = ()  # they end the text, and are no part of it
    goes_on: bool = True  # from the prompt's last word; a chat message does not
    prompt_field: str = "text"


@dataclass(frozen=True)
class Prompt:
    """A :class:`Generation` that fits the model: at least one token, and room for more."""

    tokens: Sequence[int]
    sampling: Sampling
    max_new_tokens: int
    end_tokens: frozenset[int]


@dataclass(frozen=True)
class Piece:
    """Some more of a request's text *number*; the last has a reason, and may be empty."""

    number: int
    text: str
    finish_reason: FinishReason | None = None


def to_prompt(generation: Generation, task: "Task", most_new_tokens: int) -> Prompt:
    """What the model continues, for *generation*, with as many new tokens as there is room for.

    ``InvalidInput`` where it does not fit into the model's vocabulary or context.
    """
    tokens, prompt = generation.tokens, generation.prompt_field
    try:
        task.check_tokens(tokens)
    except BadValue as error:
        raise InvalidInput.of(prompt, str(error)) from None
    if not tokens:
        raise InvalidInput.of(prompt, "there are no tokens in it")
    left = task.context_tokens - len(tokens)
    if left < 1:
        raise ContextLengthExceeded.of(
            prompt,
            f"{len(tokens)} tokens; at most {task.context_tokens - 1} are accepted, so that a text "
            f"has room behind them",
        )
    most = min(most_new_tokens, left)
    wanted = min(generation.max_new_tokens or most, most)
    return Prompt(tokens, generation.sampling, wanted, task.end_tokens)


@dataclass(eq=False)
class Answer:
    """The tokens that follow prompt *number*, on their way to the request's thread."""

    number: int
    prompt: Prompt
    deadline: float
    came: "queue.SimpleQueue[tuple[int, Item]]"
    since: float = field(default_factory=time.monotonic)
    times: dict[str, float] = field(default_factory=dict)
    """For the log: how long it waited, and for its first token."""
    span: Any = field(default_factory=tracing.current)
    """Of its request, where that is traced."""
    _given_up: Ending | None = None

    def stop(self) -> None:
        """Free the sequence's place: the answer is complete."""
        self._given_up = "stop"

    def cancel(self) -> None:
        """Free the sequence's place, if it still has one."""
        self._given_up = self._given_up or "cancelled"

    @property
    def given_up(self) -> Ending | None:
        """Why the caller gave up; ``None`` while it waits."""
        if self._given_up is None and self.deadline <= time.monotonic():
            return "deadline"
        return self._given_up

    def put(self, item: Item) -> None:
        self.came.put((self.number, item))


class Answers:
    """What follows a request's prompts; *deadline* is the ``time.monotonic()`` to give up at."""

    def __init__(self, prompts: Sequence[Prompt], deadline: float) -> None:
        self._deadline = deadline
        self._came: queue.SimpleQueue[tuple[int, Item]] = queue.SimpleQueue()
        self.each = [
            Answer(number, prompt, deadline, self._came) for number, prompt in enumerate(prompts)
        ]

    def take(self, seconds: float) -> "tuple[int, int | FinishReason] | None":
        """The number of a prompt, and the next token or the reason for the end of its answer.

        ``None`` when nothing came for *seconds*; ``CallerError`` where an answer ends so, or late.
        """
        left = self._deadline - time.monotonic()
        try:
            number, item = self._came.get(timeout=max(0, min(seconds, left)))
        except queue.Empty:
            if left <= seconds:
                raise DeadlineExceeded(
                    "The answer was not complete when its time was over."
                ) from None
            return None
        if isinstance(item, CallerError):
            raise item
        return number, item

    def cancel(self) -> None:
        for answer in self.each:
            answer.cancel()

    def leave(self) -> None:
        """Free them, and let the request's thread wait no longer."""
        self.cancel()
        self._came.put((0, RequestTimeout("The caller has left.")))


class TextStream:
    """The texts of one request as they come; belongs to one thread, and has to be closed."""

    def __init__(
        self, answers: Answers, generations: Sequence[Generation], tokenizer: Tokenizer
    ) -> None:
        self._answers = answers
        self._texts = [
            _Text(answer, generation, tokenizer)
            for answer, generation in zip(answers.each, generations, strict=True)
        ]

    def pieces(self) -> Iterator[Piece | None]:
        """The texts, piece by piece; ``None`` from time to time when there is nothing to give.

        ``DeadlineExceeded`` and ``ModelFailed`` end all of them.
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

    def whole(self) -> list[Piece]:
        """The whole texts, with the errors of :meth:`pieces`; closes the stream."""
        whole = [""] * len(self._texts)
        try:
            for piece in self.pieces():
                if piece:
                    whole[piece.number] += piece.text
        finally:
            self.close()
        return [
            Piece(number, text, self._texts[number].finish_reason)
            for number, text in enumerate(whole)
        ]

    def close(self) -> None:
        """Say that the caller gave up; for any thread."""
        self._answers.leave()

    def _next_piece(self) -> Piece | None:
        came = self._answers.take(PATIENCE_SECONDS)
        if came is None:
            return None
        number, item = came
        text = self._texts[number]
        if not text.new_tokens:
            bind_contextvars(**self._answers.each[number].times)
        if text.finish_reason:  # by a stop string, of which the executor did not know yet
            return None
        piece = text.push(item)
        return Piece(number, piece, text.finish_reason) if piece or text.finish_reason else None


class _Text:
    def __init__(self, answer: Answer, generation: Generation, tokenizer: Tokenizer) -> None:
        context = generation.tokens[-_CONTEXT_TOKENS:] if generation.goes_on else ()
        self._answer = answer
        self._detokenizer = Detokenizer(tokenizer, context)
        self._stop = StopStrings(generation.stop)
        self.new_tokens = 0
        self.finish_reason: FinishReason | None = None

    def push(self, item: "int | FinishReason") -> str:
        """What the next token, or the end, adds to the text."""
        if isinstance(item, str):
            piece = self._stop.push(self._detokenizer.finish()) + self._stop.finish()
            self.finish_reason = "stop" if self._stop.is_reached else item
            return piece
        self.new_tokens += 1
        piece = self._stop.push(self._detokenizer.push(item))
        if self._stop.is_reached:
            self.finish_reason = "stop"
            self._answer.stop()
        return piece


class Detokenizer:
    """Tokens -> text as they come, by ``DecodeStream``: a character appears with its last byte.

    *context* are the last tokens that the text goes on from.
    """

    def __init__(self, tokenizer: Tokenizer, context: Sequence[int] = ()) -> None:
        # DecodeStream would give a context that ends within a character as text.
        is_readable = not tokenizer.decode(list(context)).endswith(_UNREADABLE)
        self._tokenizer = tokenizer
        self._stream = DecodeStream(list(context) if is_readable else [], skip_special_tokens=True)
        self._pending: list[int] = []

    def push(self, token: int) -> str:
        """The text that *token* completes; often nothing."""
        self._pending.append(token)
        try:
            piece = self._stream.step(self._tokenizer, token)
        except Exception:  # noqa: BLE001  # DecodeStream: these bytes make former ones unreadable
            piece = self._tokenizer.decode(self._pending)
            self._stream = DecodeStream(self._pending, skip_special_tokens=True)
        if piece:
            self._pending = []
        return piece or ""

    def finish(self) -> str:
        """What is readable of the tokens that wait for the rest of a character."""
        return self._tokenizer.decode(self._pending).rstrip(_UNREADABLE)


class StopStrings:
    """Ends a text before the string of several that is complete in it first."""

    def __init__(self, strings: Sequence[str]) -> None:
        self._strings = [string for string in strings if string]
        self._held = ""
        self.is_reached = False

    def push(self, piece: str) -> str:
        """What of the text is sure not to be the beginning of a stop string."""
        if self.is_reached:
            return ""
        text = self._held + piece
        found = [
            (start + len(string), start)
            for string in self._strings
            if (start := text.find(string)) >= 0
        ]
        if found:
            _, end = min(found)
            self.is_reached = True
        else:
            end = len(text) - self._longest_beginning(text)
        self._held = text[end:]
        return text[:end]

    def finish(self) -> str:
        """What was held back, since nothing follows."""
        held, self._held = self._held, ""
        return "" if self.is_reached else held

    def _longest_beginning(self, text: str) -> int:
        """How many of the last characters of *text* a stop string may begin with."""
        longest = max(map(len, self._strings), default=1) - 1
        for length in range(min(longest, len(text)), 0, -1):
            if any(string.startswith(text[-length:]) for string in self._strings):
                return length
        return 0
