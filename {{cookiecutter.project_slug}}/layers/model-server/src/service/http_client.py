"""HTTP to the model server: pooled connections, urllib3's retries, one deadline for all of a call.

A prediction changes nothing, so a call that may have run may be sent again.
"""

import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    ReadTimeoutError,
)
from urllib3.response import BaseHTTPResponse

from service import tracing
from service.errors import TimedOut, Unreachable

_CONNECT_SECONDS = 2.0
"""A server that takes no connection for so long is not reached."""
_CHUNK_BYTES = 64 * 1024
_MOST_RETRIES = 2
_BACKOFF_SECONDS = 0.05
_RETRIED = frozenset({429, 500, 502, 503})
"""Statuses after which another try may do better; a 504 has had its time."""


@dataclass(frozen=True)
class Exchange:
    """A whole answer."""

    status: int
    body: bytes


class RetryBudget:
    """How many retries are left, so that they never double the load of a server that is ill.

    Ten may be saved up, and each answer earns a tenth, as with gRPC's ``retryThrottling``: in the
    long run at most one call in eleven is a retry.
    """

    MOST = 10
    EARNED = 0.1

    def __init__(self) -> None:
        self._left = float(self.MOST)
        self._lock = threading.Lock()

    def earn(self) -> None:
        with self._lock:
            self._left = min(self.MOST, self._left + self.EARNED)

    def take(self) -> bool:
        """Take one retry; false when none is left."""
        with self._lock:
            if self._left < 1:
                return False
            self._left -= 1
            return True


class _Retry(urllib3.Retry):
    """urllib3's retries, within a budget and until *end*. A time-out is not retried."""

    def __init__(self, *, budget: RetryBudget, end: float, **options: Any) -> None:
        super().__init__(**options)
        self._budget = budget
        self._end = end

    def new(self, **changes: Any) -> "_Retry":
        """A copy with *changes*: urllib3 makes one for each try."""
        return super().new(budget=self._budget, end=self._end, **changes)

    def is_exhausted(self) -> bool:
        """Whether the error that is last in the history is final; urllib3 asks once for each."""
        return (
            super().is_exhausted()
            or isinstance(self.history[-1].error, ReadTimeoutError)
            or time.monotonic() + self.get_backoff_time() >= self._end
            or not self._budget.take()
        )


class _TimeLeft(urllib3.Timeout):
    """The time until *end*; urllib3 clones it for each try."""

    def __init__(self, end: float) -> None:
        left = max(0.001, end - time.monotonic())
        super().__init__(connect=min(left, _CONNECT_SECONDS), read=left)
        self._end = end

    def clone(self) -> "_TimeLeft":
        return _TimeLeft(self._end)


class HttpClient:
    """Connections to one server, for many threads; so many are kept open."""

    def __init__(self, url: str, connections: int) -> None:
        self._url = url.rstrip("/")
        self._pool = urllib3.connection_from_url(self._url, maxsize=connections, block=False)
        self._budget = RetryBudget()

    def request(self, method: str, path: str, *, seconds: float, **options: Any) -> Exchange:
        """The whole answer; errors and options are those of :meth:`open`."""
        with self.open(method, path, seconds=seconds, **options) as (status, chunks):
            return Exchange(status, b"".join(chunks))

    @contextmanager
    def open(
        self,
        method: str,
        path: str,
        *,
        seconds: float,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Generator[tuple[int, Generator[bytes]]]:
        """The status, and the body as it comes.

        Retried until there is a status, where there is a *body*: a probe is not. A body that was
        not read to its end closes the connection, so that the server hears that nobody waits.

        Raises:
            Unreachable: no connection is made, or it breaks.
            TimedOut: the answer is not complete after *seconds*.
        """
        end = time.monotonic() + seconds
        retry = _Retry(
            budget=self._budget,
            end=end,
            total=_MOST_RETRIES if body is not None else 0,
            redirect=0,
            allowed_methods=None,
            status_forcelist=_RETRIED,
            backoff_factor=_BACKOFF_SECONDS,
            backoff_jitter=_BACKOFF_SECONDS,
            raise_on_redirect=False,
            raise_on_status=False,
            respect_retry_after_header=False,
        )
        with self._translated():
            response = self._pool.urlopen(
                method,
                path,
                body=body,
                headers={**(headers or {}), **tracing.headers()},
                timeout=_TimeLeft(end),
                retries=retry,
                redirect=False,
                preload_content=False,
            )
        if response.status not in _RETRIED:
            self._budget.earn()
        try:
            yield response.status, self._chunks(response, end)
        finally:
            if response.length_remaining or not response.closed:
                response.close()
            response.release_conn()

    def close(self) -> None:
        self._pool.close()

    def _chunks(self, response: BaseHTTPResponse, end: float) -> Generator[bytes]:
        with self._translated():
            while True:
                left = end - time.monotonic()
                if left <= 0:
                    raise TimedOut(f"{self._url} sends its answer too slowly")
                # Each read has what is left. There is none to tell where the server closes behind.
                if (sock := getattr(response.connection, "sock", None)) is not None:
                    sock.settimeout(left)
                if not (chunk := response.read1(_CHUNK_BYTES)):
                    return
                yield chunk

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except (HTTPError, OSError) as error:
            reason = error.reason if isinstance(error, MaxRetryError) else error
            match reason:
                case ConnectTimeoutError() | NewConnectionError():
                    raise Unreachable(f"{self._url} takes no connection: {reason}") from error
                case ReadTimeoutError():
                    raise TimedOut(f"{self._url} has not answered in time") from error
                case _:
                    raise Unreachable(f"{self._url} has broken off: {reason!r}") from error
