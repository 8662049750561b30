"""HTTP to the model server: pooled connections, no retries, a limit for the whole exchange."""

import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ReadTimeoutError,
)
from urllib3.response import BaseHTTPResponse

from service.server_errors import TimedOut, Unreachable

_CONNECT_SECONDS = 2.0
"""A server that takes no connection for so long is not reached."""
_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True)
class Exchange:
    """A whole answer."""

    status: int
    body: bytes


class HttpClient:
    """Connections to one server, for many threads.

    Args:
        url: scheme, host and port.
        connections: most that are kept open.
    """

    def __init__(self, url: str, connections: int) -> None:
        self._url = url.rstrip("/")
        self._pool = urllib3.connection_from_url(
            self._url, maxsize=connections, block=False, retries=False
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        seconds: float,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Exchange:
        """The whole answer.

        Raises:
            Unreachable: no connection is made, or it breaks.
            TimedOut: the answer is not complete after *seconds*.
        """
        stream = self.open(method, path, seconds=seconds, body=body, headers=headers)
        with stream as (status, chunks):
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
        """The status, and the body as it comes; errors are those of :meth:`request`.

        A body that was not read to its end closes the connection, so that the server hears that
        nobody waits.
        """
        end = time.monotonic() + seconds
        connect = min(seconds, _CONNECT_SECONDS)
        with _translated(self._url):
            response = self._pool.urlopen(
                method,
                path,
                body=body,
                headers=headers,
                timeout=urllib3.Timeout(connect=connect, read=seconds),
                retries=False,
                preload_content=False,
            )
        try:
            yield response.status, self._chunks(response, end)
        finally:
            if response.length_remaining or not response.closed:
                response.close()
            response.release_conn()

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self._pool.close()

    def _chunks(self, response: BaseHTTPResponse, end: float) -> Generator[bytes]:
        with _translated(self._url):
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
def _translated(url: str) -> Generator[None]:
    """Let errors of the library be ours."""
    try:
        yield
    except (ConnectTimeoutError, NewConnectionError) as error:
        raise Unreachable(f"{url} takes no connection: {error}") from error
    except ReadTimeoutError as error:
        raise TimedOut(f"{url} has not answered in time") from error
    except (HTTPError, OSError) as error:
        raise Unreachable(f"{url} has broken off: {error!r}") from error
