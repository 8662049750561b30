"""Joins task, executor and model: prompts in, texts out, piece by piece.

Tokens become text in the request's thread; the executor knows tokens only.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from service.detokenizing import Detokenizer, StopStrings
from service.errors import BadValue, InvalidInput
from service.generation import ContinuousBatcher
from service.hosting import HostedModel
from service.metrics import Metrics
from service.model import LoadModel, Model
from service.rows import Decoder
from service.sampling import Sampling
from service.sequences import Answer, Answers, FinishReason, Prompt
from service.settings import Settings
from service.task import Task
from service.threads import available_cpus

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
        """Say that nobody waits for the texts any more."""
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


class Pipeline(HostedModel):
    """Continues texts from the moment its model is loaded and warm.

    Args:
        settings: which model, and how much at a time.
        metrics: where it counts.
        on_failure: told once when the model cannot be loaded.
        load: makes the model from its folder; called in the executor's thread.

    Raises:
        OwnerError: there is no such model, or it was made for another task.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        on_failure: Callable[[Exception], None],
        load: LoadModel = Model,
    ) -> None:
        super().__init__(settings, metrics)
        self.task = Task(self.folder, self.manifest, settings)
        self._load_model = load
        self._batcher = ContinuousBatcher(
            self._prepare,
            max_running=settings.max_running_sequences,
            max_queued=settings.max_queued_inputs,
            prefill_tokens=settings.prefill_tokens,
            metrics=metrics,
            on_failure=on_failure,
        )
        self.executor = self._batcher

    @property
    def context_tokens(self) -> int:
        """Most tokens of a prompt and its text."""
        return min(self.settings.max_context_tokens, self.task.parameters.context_length)

    def generate(self, generations: Sequence[Generation], *, timeout_seconds: float) -> TextStream:
        """Begin all *generations* of one request, or none.

        Raises:
            InvalidInput: a prompt has tokens that the model does not know, or too many.
            NotReady, QueueFull: as their names say.
        """
        deadline = time.monotonic() + timeout_seconds
        prompts = [self._prompt(generation) for generation in generations]
        answers = self._batcher.submit(prompts, deadline=deadline)
        return TextStream(answers, generations, self.task.decode)

    def complete(
        self, generations: Sequence[Generation], *, timeout_seconds: float
    ) -> list[Completion]:
        """The whole texts.

        Raises:
            DeadlineExceeded, ModelFailed: as their names say; and as for :meth:`generate`.
        """
        stream = self.generate(generations, timeout_seconds=timeout_seconds)
        try:
            return stream.completions()
        finally:
            stream.close()

    def _prompt(self, generation: Generation) -> Prompt:
        """What the executor is told.

        Raises:
            InvalidInput: it does not fit into the model's vocabulary or context.
        """
        tokens = generation.tokens
        try:
            self.task.check_tokens(tokens)
        except BadValue as error:
            raise InvalidInput.of(generation.prompt_field, str(error)) from None
        if not tokens:
            raise InvalidInput.of(generation.prompt_field, "there are no tokens in it")
        left = self.context_tokens - len(tokens)
        if left < 1:
            raise InvalidInput.of(
                generation.prompt_field,
                f"{len(tokens)} tokens; at most {self.context_tokens - 1} are accepted, so that "
                f"a text has room behind them",
            )
        most = min(self.settings.max_new_tokens, left)
        wanted = generation.max_new_tokens
        if wanted is not None and wanted > most:
            raise InvalidInput.of(
                generation.limit_field, f"{wanted}; at most {most} are accepted after this prompt"
            )
        return Prompt(
            tokens=tokens,
            sampling=generation.sampling,
            max_new_tokens=most if wanted is None else wanted,
            end_tokens=self.task.end_tokens,
        )

    def _prepare(self) -> Decoder:
        started = time.monotonic()
        model = self._load_model(
            self.folder,
            self.manifest,
            format_name=self.settings.model_format,
            threads=self.settings.model_threads or available_cpus(),
            rows=self.settings.max_running_sequences,
            context_tokens=self.context_tokens,
        )
        self.tell_ready(model.format_name, time.monotonic() - started)
        return model
