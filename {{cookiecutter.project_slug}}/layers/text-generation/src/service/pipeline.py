"""Joins task and model: prompts in, texts out, piece by piece.

Tokens become text in the request's thread; whatever runs the model knows tokens only.
"""

import time
from collections.abc import Sequence

from service.errors import BadValue, InvalidInput
from service.generator import Generator
from service.texts import Completion, Generation, Prompt, TextStream


class Pipeline(Generator):
    """Continues texts from the moment its model is ready."""

    def generate(self, generations: Sequence[Generation], *, timeout_seconds: float) -> TextStream:
        """Begin all *generations* of one request, or none.

        Raises:
            InvalidInput: a prompt has tokens that the model does not know, or too many.
            NotReady, QueueFull: as their names say.
        """
        deadline = time.monotonic() + timeout_seconds
        prompts = [self._prompt(generation) for generation in generations]
        answers = self.submit(prompts, deadline=deadline)
        return TextStream(answers, generations, self.task.tokenizer)

    def complete(
        self, generations: Sequence[Generation], *, timeout_seconds: float
    ) -> list[Completion]:
        """The whole texts; errors are those of :meth:`generate` and ``TextStream``."""
        return self.generate(generations, timeout_seconds=timeout_seconds).completions()

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
        left = self.task.context_tokens - len(tokens)
        if left < 1:
            raise InvalidInput.of(
                generation.prompt_field,
                f"{len(tokens)} tokens; at most {self.task.context_tokens - 1} are accepted, so "
                f"that a text has room behind them",
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
