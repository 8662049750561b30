"""What every request gets: an id, a log line, metrics.

Wraps the web framework's own WSGI application, so that all requests are treated alike, those too
that the server refuses.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars

from service import tracing
from service.errors import (
    CallerError,
    MalformedRequest,
    NotFound,
    Unexpected,
    UnsupportedMediaType,
)
from service.logs import log
from service.manifest import ModelVersion
from service.metrics import Metrics
# only: text-generation
from service.web.access import KEY, TOKENS
# end
# only: predict
from service.web.access import KEY
# end
from service.web.requests import REFUSAL, REQUEST_ID, ROUTE, to_problem
from service.web.routes import route_of

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_SAFE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
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
    """The outermost WSGI application; *is_draining* says that connections are to be closed."""

    app: "WSGIApplication"
    metrics: Metrics
    is_draining: Callable[[], bool]
    model: ModelVersion
    """Which answers."""

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        exchange = _Exchange(self, environ, start_response)
        try:
            _check(environ)
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
        self._reason: str | None = None
        self._bytes = 0
        self._is_complete = False
        self._is_closed = False
        self._method = str(environ["REQUEST_METHOD"])
        self._path = str(environ.get("PATH_INFO", ""))
        given = str(environ.get("HTTP_X_REQUEST_ID", ""))
        self._id = given if _SAFE_ID.fullmatch(given) else uuid4().hex
        environ[REQUEST_ID] = self._id
        self._span = tracing.request(environ)
        ids = self._span.ids if self._span else tracing.callers_ids(environ)
        clear_contextvars()
        bind_contextvars(request_id=self._id, **ids)
        service.metrics.in_flight.inc()

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        self._status = status.partition(" ")[0]
        self._is_complete = any(name.lower() == "content-length" for name, _ in headers)
        ours = [("X-Request-Id", self._id), *_SECURITY_HEADERS]
        if self._service.is_draining():
            ours.append(("Connection", "close"))
        return self._start_response(status, [*headers, *ours], exc_info)

    def refuse(self, error: CallerError) -> list[bytes]:
        """Answer with a problem where the web framework was never called, or failed."""
        self._reason = error.code
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
            chunk = next(self._chunks)
        except BaseException:  # the end, too
            self.close()
            raise
        self._bytes += len(chunk)
        return chunk

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
        exemplar = self._span.exemplar if self._span else None
        metrics.request_seconds.labels(route).observe(seconds, exemplar)
        write = log.debug if route in {"/livez", "/readyz", "/metrics"} else log.info
        facts: dict[str, Any] = {
            "method": self._method,
            "path": self._path,
            "route": route,
            "status": int(self._status),
            "milliseconds": round(seconds * 1000, 1),
            "bytes": self._bytes,
            "client": self._environ.get("REMOTE_ADDR"),
            "version": self._service.model.version,
        }
        more = {"key": self._environ.get(KEY), "reason": self._reason}
        facts |= {name: value for name, value in more.items() if value}
        # only: text-generation
        if used := self._environ.get(TOKENS):
            facts["operation"] = "chat" if "chat" in route else "text_completion"
            facts["model"] = self._service.model.name
            facts["prompt_tokens"], facts["generated_tokens"] = used()
        # end
        write("request", **facts)
        if self._span:
            self._span.end(None if route == "other" else route, {**get_contextvars(), **facts})


def _check(environ: "WSGIEnvironment") -> None:
    """Refuse what the server has found wrong, and what web frameworks differ in."""
    if refusal := environ.get(REFUSAL):
        raise refusal
    path = str(environ.get("PATH_INFO", ""))
    if not path.startswith("/") or path.startswith("//"):
        raise NotFound(f"There is no route {path[:100]!r}.")
    if str(environ.get("HTTP_UPGRADE", "")).lower() == "websocket":
        raise MalformedRequest("Upgrade is websocket; there are none here.")
    encoding = str(environ.get("HTTP_CONTENT_ENCODING", ""))
    if encoding.strip().lower() not in {"", "identity"}:
        raise UnsupportedMediaType(f"Content-Encoding is {encoding[:100]}; send the body as it is.")
