"""What a model server's client can do, whichever server it is; ``ModelServer`` is one."""

from collections.abc import Callable
from typing import Protocol, TypeAlias

from service.manifest import Arrays, Manifest
from service.settings import Settings


class Server(Protocol):
    """One version of a model: one call, one answer, without retries. Used by many threads."""

    def is_ready(self, *, timeout_seconds: float) -> bool:
        """Whether the server serves the version.

        Raises:
            ServerError: the call failed.
        """

    def predict(self, batch: Arrays, *, timeout_seconds: float) -> Arrays:
        """The outputs for *batch*, with its leading axis.

        Raises:
            ServerError: there is no answer within the time, or it is none.
        """

    def close(self) -> None:
        """Close the connections."""


Connect: TypeAlias = Callable[[Settings, Manifest], Server]
"""Makes a client from the settings that say where the server is, and the version's manifest."""
