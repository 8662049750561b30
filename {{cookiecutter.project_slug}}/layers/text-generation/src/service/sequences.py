"""A request's prompts, and the tokens that come back to the thread that asked.

Knows nothing of texts, HTTP or models.
"""

import queue
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from service.errors import CallerError, DeadlineExceeded
from service.sampling import Sampling

FinishReason = Literal["stop", "length"]
"""``stop`` where the text ended, ``length`` where a limit was reached."""

Ending = Literal["stop", "length", "cancelled", "deadline", "failed"]
"""How a sequence came to its end."""

Item: TypeAlias = int | FinishReason | CallerError
"""A token, or the end."""


@dataclass(frozen=True)
class Prompt:
    """What is to be continued, and how.

    Args:
        tokens: at least one.
        sampling: how the next tokens are chosen.
        max_new_tokens: most tokens of the answer.
        end_tokens: any of them ends the answer, and is no part of it.
    """

    tokens: Sequence[int]
    sampling: Sampling
    max_new_tokens: int
    end_tokens: frozenset[int]


class Answer:
    """The answer to one prompt of a request.

    Args:
        number: of the prompt in the request.
        prompt: the question.
        deadline: ``time.monotonic()`` when the caller gives up.
        came: where the request finds its tokens.
    """

    def __init__(
        self,
        number: int,
        prompt: Prompt,
        deadline: float,
        came: "queue.SimpleQueue[tuple[int, Item]]",
    ) -> None:
        self.prompt = prompt
        self.since = time.monotonic()
        self._number = number
        self._deadline = deadline
        self._came = came
        self._given_up: Ending | None = None

    def stop(self) -> None:
        """Free the sequence's place: the answer is complete."""
        self._given_up = "stop"

    def cancel(self) -> None:
        """Free the sequence's place, if it still has one."""
        self._given_up = self._given_up or "cancelled"

    @property
    def given_up(self) -> Ending | None:
        """Why the caller gave up; ``None`` while it waits."""
        if self._given_up is None and self._deadline <= time.monotonic():
            return "deadline"
        return self._given_up

    def put(self, item: Item) -> None:
        """For the executor: the next token, or the end."""
        self._came.put((self._number, item))


class Answers:
    """The answers to a request's prompts, as their tokens come. Belongs to the thread that asked.

    Args:
        prompts: the questions.
        deadline: ``time.monotonic()`` when the caller gives up.
    """

    def __init__(self, prompts: Sequence[Prompt], deadline: float) -> None:
        self._deadline = deadline
        self._came: queue.SimpleQueue[tuple[int, Item]] = queue.SimpleQueue()
        self.each = [
            Answer(number, prompt, deadline, self._came) for number, prompt in enumerate(prompts)
        ]

    def take(self, seconds: float) -> "tuple[int, int | FinishReason] | None":
        """The number of a prompt, and the next token or the reason for the end of its answer.

        Returns:
            ``None`` when nothing came for *seconds*.

        Raises:
            DeadlineExceeded: nothing came, and the time is over.
            CallerError: an answer ends with an error.
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
        """Free the places of all sequences."""
        for answer in self.each:
            answer.cancel()
