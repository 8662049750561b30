"""Joins task and model: prompts in, texts out, piece by piece.

Tokens become text in the request's thread; whatever runs the model knows tokens only.
"""

import time
from collections.abc import Sequence

from service.generator import Generator
from service.texts import Completion, Generation, TextStream, to_prompt


class Pipeline(Generator):
    """Continues texts from the moment its model is ready."""

    def generate(self, generations: Sequence[Generation], *, timeout_seconds: float) -> TextStream:
        """Begin all *generations* of one request, or none.

        Raises:
            InvalidInput: a prompt has tokens that the model does not know, or too many.
            NotReady, QueueFull: as their names say.
        """
        deadline = time.monotonic() + timeout_seconds
        prompts = [
            to_prompt(generation, self.task, self.settings.max_new_tokens)
            for generation in generations
        ]
        answers = self.submit(prompts, deadline=deadline)
        return TextStream(answers, generations, self.task.tokenizer)

    def complete(
        self, generations: Sequence[Generation], *, timeout_seconds: float
    ) -> list[Completion]:
        """The whole texts; errors are those of :meth:`generate` and ``TextStream``."""
        return self.generate(generations, timeout_seconds=timeout_seconds).completions()
