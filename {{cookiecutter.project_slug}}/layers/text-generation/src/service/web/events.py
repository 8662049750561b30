"""Server-sent events: an answer that is sent piece by piece, over one response.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from service.errors import CallerError, Unexpected
from service.logs import log
from service.web.problems import to_problem

MEDIA_TYPE = "text/event-stream"
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
"""So that nobody between the service and its caller keeps events back."""

_KEEP_ALIVE = b": keep-alive\n\n"
_ESCAPES = str.maketrans({"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"})
"""JSON lets these characters stand, and some clients take them for the end of a line."""


@dataclass(frozen=True)
class Events:
    """An answer in events.

    Args:
        messages: the data of each, in one line; ``None`` when there is nothing to say yet.
        close: frees what stands behind them; called once, also when none was taken.
    """

    messages: Iterator[str | None]
    close: Callable[[], None]


class EventStream:
    """Events as a WSGI server sends them.

    What goes wrong becomes an event ``error``, because the status is out already. No generator: one
    that was never begun runs nothing when it is closed, and a caller may leave before the first
    event.

    Args:
        events: the answer.
        request_id: of the request, for errors.
        path: of the request, for errors.
    """

    def __init__(self, events: Events, request_id: str, path: str) -> None:
        self._events = events
        self._request_id = request_id
        self._path = path
        self._is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._is_closed:
            raise StopIteration
        try:
            message = next(self._events.messages)
        except StopIteration:
            self.close()
            raise
        except CallerError as error:
            return self._end_with(error)
        except Exception:  # noqa: BLE001  # a bug, which no caller should have to guess
            log.exception("unexpected_error")
            return self._end_with(Unexpected())
        if message is None:
            return _KEEP_ALIVE
        return f"data: {message.translate(_ESCAPES)}\n\n".encode()

    def close(self) -> None:
        """Say that nothing more is wanted; the server does so too when a caller leaves."""
        if not self._is_closed:
            self._is_closed = True
            self._events.close()

    def _end_with(self, error: CallerError) -> bytes:
        self.close()
        _, _, body = to_problem(error, self._path, self._request_id)
        return b"event: error\ndata: " + body + b"\n\n"
