"""What a model server's client can do, whichever server it is; ``ModelServer`` is one."""

from collections.abc import Callable, Generator
from typing import Protocol, TypeAlias

from service.manifest import Manifest
from service.texts import FinishReason, Prompt
from service.settings import Settings


class Server(Protocol):
    """One version of a model: one call, one answer, without retries. Used by many threads."""

    def is_ready(self, *, timeout_seconds: float) -> bool:
        """Whether the server serves the version.

        Raises:
            ServerError: the call failed.
        """

    def generate(
        self, prompt: Prompt, *, timeout_seconds: float
    ) -> "Generator[int | FinishReason]":
        """The tokens that follow *prompt*, and at last why there are no more.

        To be closed, so that the server hears that nobody waits.

        Raises:
            ServerError: there is no answer within the time, or it is none.
        """

    def close(self) -> None:
        """Close the connections."""


Connect: TypeAlias = Callable[[Settings, Manifest], Server]
"""Makes a client from the settings that say where the server is, and the version's manifest."""
