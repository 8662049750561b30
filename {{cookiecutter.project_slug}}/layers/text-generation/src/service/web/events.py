"""Server-sent events: an answer that is sent piece by piece, over one response.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from collections.abc import Callable, Iterator

from openapi_pydantic import Response
from pydantic import BaseModel

from service.errors import CallerError, Unexpected
from service.logs import log
from service.web.openapi import media
from service.web.problems import to_problem
from service.web.requests import Reply, Request

MEDIA_TYPE = "text/event-stream"
_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
"""So that nobody between the service and its caller keeps events back."""

_KEEP_ALIVE = b": keep-alive\n\n"
_ESCAPES = str.maketrans({"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"})
"""JSON lets these characters stand, and some clients take them for the end of a line."""


def stream(request: Request, messages: Iterator[str | None], close: Callable[[], None]) -> Reply:
    """An answer in events, as ``EventStream`` sends them."""
    return Reply(EventStream(request, messages, close), MEDIA_TYPE, headers=_HEADERS)


def described(answer: type[BaseModel], event: type[BaseModel]) -> Response:
    """A text, whole as *answer* or in events whose data is *event*."""
    return Response(
        description="The text; with `stream`, server-sent events, whose data is as described here. "
        "What goes wrong behind the first becomes an event `error`, whose data is a problem.",
        content={"application/json": media(answer), MEDIA_TYPE: media(event)},
    )


class EventStream:
    """Events as a WSGI server sends them.

    What goes wrong becomes an event ``error``, because the status is out already. No generator: one
    that was never begun runs nothing when it is closed, and a caller may leave before the first
    event.

    Args:
        request: that is answered.
        messages: the data of each event, in one line; ``None`` keeps the connection alive.
        close: frees what stands behind them; called once, also when none was taken.
    """

    def __init__(
        self, request: Request, messages: Iterator[str | None], close: Callable[[], None]
    ) -> None:
        self._request = request
        self._messages = messages
        self._close = close
        self._is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._is_closed:
            raise StopIteration
        try:
            message = next(self._messages)
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
            self._close()

    def _end_with(self, error: CallerError) -> bytes:
        self.close()
        _, _, body = to_problem(error, self._request.path, self._request.id)
        return b"event: error\ndata: " + body + b"\n\n"
