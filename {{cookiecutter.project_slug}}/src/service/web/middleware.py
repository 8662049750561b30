"""What every request gets: an id, a bounded body, a log line, metrics.

Wraps the web framework's own WSGI application, so that it sees a request whose body is complete
and small enough, and so that a body is read alike everywhere, chunked or not.
"""

import io
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import structlog

from service.errors import (
    BodyTooLarge,
    CallerError,
    MalformedBody,
    Unexpected,
    UnsupportedMediaType,
)
from service.logs import log
from service.metrics import Metrics
from service.web.problems import to_problem
from service.web.requests import REQUEST_ID, ROUTE
from service.web.routes import route_of

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_SAFE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_MOST_DISCARDED = 8
"""A body that is too large is read to its end up to this many times the limit."""
_SECURITY_HEADERS = [
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    (
        "Content-Security-Policy",
        (
            "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
            "base-uri 'none'; frame-ancestors 'none'"
        ),
    ),
]


@dataclass(frozen=True)
class Middleware:
    """The outermost WSGI application.

    Args:
        app: the web framework's.
        metrics: where requests are counted.
        max_body_bytes: largest body that is read.
        is_draining: whether the service is about to stop; connections are then closed.
    """

    app: "WSGIApplication"
    metrics: Metrics
    max_body_bytes: int
    is_draining: Callable[[], bool]

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        exchange = _Exchange(self, environ, start_response)
        try:
            _read_body(environ, self.max_body_bytes)
            answer = self.app(environ, exchange.start_response)
        except CallerError as error:
            answer = exchange.refuse(error)
        except Exception:  # noqa: BLE001  # a bug, which no caller should have to guess
            log.exception("unexpected_error")
            answer = exchange.refuse(Unexpected())
        return exchange.finish(answer)


class _Exchange:
    """One request and its answer, whose body is read from here.

    No generator: one that was never begun runs nothing when it is closed, and a caller may leave
    before the first chunk.
    """

    def __init__(
        self, service: Middleware, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> None:
        self._service = service
        self._environ = environ
        self._start_response = start_response
        self._started = time.monotonic()
        self._status = "500"
        self._is_complete = False
        self._is_closed = False
        self._method = str(environ["REQUEST_METHOD"])
        self._path = str(environ.get("PATH_INFO", ""))
        given = str(environ.get("HTTP_X_REQUEST_ID", ""))
        self._id = given if _SAFE_ID.fullmatch(given) else uuid4().hex
        environ[REQUEST_ID] = self._id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=self._id)
        service.metrics.in_flight.inc()

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        """Pass the status and the headers on, with ours."""
        self._status = status.partition(" ")[0]
        self._is_complete = any(name.lower() == "content-length" for name, _ in headers)
        ours = [("X-Request-Id", self._id), *_SECURITY_HEADERS]
        if self._service.is_draining():
            ours.append(("Connection", "close"))
        return self._start_response(status, [*headers, *ours], exc_info)

    def refuse(self, error: CallerError) -> list[bytes]:
        """Answer with a problem where the web framework was never called, or failed."""
        status, headers, body = to_problem(error, self._path, self._id)
        headers["Content-Length"] = str(len(body))
        self.start_response(f"{status.value} {status.phrase}", list(headers.items()))
        return [body]

    def finish(self, answer: Iterable[bytes]) -> Iterable[bytes]:
        """The body, without chunks for HEAD; *answer* is closed at its end, where it can be."""
        self._chunks = iter(() if self._method == "HEAD" else answer)
        self._close = getattr(answer, "close", None)
        return list(self) if self._is_complete else self

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._chunks)
        except BaseException:  # the end, too
            self.close()
            raise

    def close(self) -> None:
        """Say that nothing more is wanted; the server does so too when a caller leaves."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            if self._close:
                self._close()
        finally:
            self._record()

    def _record(self) -> None:
        seconds = time.monotonic() - self._started
        found = route_of(self._path)  # of a request that no handler has seen
        route = self._environ.get(ROUTE) or (found.path if found else "other")
        method = self._method if self._method in {"GET", "HEAD", "POST"} else "other"
        metrics = self._service.metrics
        metrics.in_flight.dec()
        metrics.requests.labels(method, route, self._status).inc()
        metrics.request_seconds.labels(route).observe(seconds)
        write = log.debug if route in {"/livez", "/readyz", "/metrics"} else log.info
        write(
            "request",
            method=self._method,
            path=self._path,
            status=int(self._status),
            milliseconds=round(seconds * 1000, 1),
        )


def _read_body(environ: "WSGIEnvironment", limit: int) -> None:
    """Put the whole body in place of the stream.

    Raises:
        BodyTooLarge: it has more than *limit* bytes.
        MalformedBody: its Content-Length is no number, or it ends before that many bytes.
        UnsupportedMediaType: it is compressed.
    """
    text = environ.get("CONTENT_LENGTH") or ""
    if text and not (text.isascii() and text.isdigit()):
        raise MalformedBody("Content-Length is not a whole number of bytes.")
    stream = environ["wsgi.input"]
    if text and int(text) > limit:
        if not environ.get("HTTP_EXPECT"):  # else the caller waits for a word before it sends
            _discard(stream, min(int(text), _MOST_DISCARDED * limit))
        raise _too_large(limit, int(text))
    is_delimited = bool(text) or environ.get("wsgi.input_terminated", False)
    body = _read(stream, int(text) if text else limit + 1) if is_delimited else b""
    if len(body) > limit:
        _discard(stream, _MOST_DISCARDED * limit)
        raise _too_large(limit, len(body))
    if text and len(body) < int(text):
        raise MalformedBody(f"The body ends after {len(body)} of {text} bytes.")
    encoding = environ.get("HTTP_CONTENT_ENCODING", "identity")
    if encoding != "identity":
        raise UnsupportedMediaType(f"Content-Encoding is {encoding[:100]}; send the body as it is.")
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))


def _read(stream: Any, size: int) -> bytes:
    chunks = []
    while size > 0 and (chunk := stream.read(size)):
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def _discard(stream: Any, size: int) -> None:
    """Take in what a caller still sends: most listen for an answer only when they are done."""
    while size > 0 and (chunk := stream.read(min(size, 65536))):
        size -= len(chunk)


def _too_large(limit: int, found: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body has {found} bytes or more; at most {limit} are accepted.")
