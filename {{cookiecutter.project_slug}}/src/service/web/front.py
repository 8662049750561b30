"""What stands before the web framework: bodies, places and answers, in one event loop.

A caller that sends or reads slowly costs a connection here, and no thread. The application is
WSGI's: it gets a request whose body is complete, in a thread that is free, or not at all. Probes
wait for nothing, and are answered in the loop.
"""

import asyncio
import io
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext, suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from service.errors import (
    BodyTooLarge,
    CallerError,
    NotAdmitted,
    NotFound,
    QueueFull,
    RequestTimeout,
)
from service.metrics import Metrics
from service.settings import Settings, listed
from service.web.access import Access, Headers
from service.web.calls import (
    NO_REQUEST,
    Answer,
    Call,
    Places,
    Send,
    begin_of,
    check_head,
    environ_of,
    environ_of_plain,
    is_plain,
    send_body,
    told_of_plain,
)
from service.web.requests import CALLER, REFUSAL, Caller
from service.web.routes import route_of

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication, WSGIEnvironment

    from uvicorn._types import HTTPScope

Receive = Callable[[], Awaitable[Any]]
IS_WHOLE = "service.is_whole"
"""Key of whether nothing of a request is still to come, in the WSGI environment."""

_PROBES = re.compile(r"/(livez|readyz|metrics|v2/health/\w+|v2/models/.+/ready)")
_MOST_DISCARDED = 8
"""A body that is too large is read to its end up to this many times the limit: most callers listen
for an answer only when they are done."""
_MOST_BODIES = 16
"""All bodies together may have this many times the limit of one."""
_SAME_SECONDS = 0.1
"""So long a refusal answers others, which are counted in the metrics, and not logged each."""
_PREFIX = re.compile(r"(/[\w.~-]+)+/?")
_SWITCHES = {
    "/": "serve_page",
    "/docs": "serve_docs",
    "/openapi.json": "serve_docs",
    "/metrics": "serve_metrics",
}
"""Path -> the setting that says whether it is there."""
_ASKED = "HTTP_ACCESS_CONTROL_REQUEST_METHOD"
_EXPOSED = (b"access-control-expose-headers", b"X-Request-Id, Retry-After, RateLimit")
_PREFLIGHT = [
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", b"*, Authorization"),  # which * does not mean
    (b"access-control-max-age", b"600"),
]


class Front:
    """The ASGI application before *app*, which answers each request in a thread."""

    def __init__(
        self,
        app: "WSGIApplication",
        settings: Settings,
        access: Access,
        metrics: Metrics,
        max_connections: int,
    ) -> None:
        self.settings = settings
        self._access = access
        self.max_connections = max_connections
        trusted = listed(settings.trusted_proxies)
        self._behind_proxy = ProxyHeadersMiddleware(self._handle, trusted)  # type: ignore[arg-type]  # HTTP alone
        self._origins = listed(settings.cors_origins)
        self._closed = {path for path, name in _SWITCHES.items() if not getattr(settings, name)}
        self._app = app
        self._places = Places(settings.http_threads)
        self._metrics = metrics
        self._body_bytes = 0
        self._same: tuple[list[bytes], float, Answer, Callable[[], None]] | None = None
        """What is refused just now: told of it, till when, the answer, and what counts it."""

    async def __call__(self, scope: "HTTPScope", receive: Receive, send: Send) -> None:
        """Answer, with what a trusted proxy says of the caller."""
        if scope["client"] and scope["client"][0] in self._behind_proxy.trusted_hosts:
            prefix = dict(scope["headers"]).get(b"x-forwarded-prefix", b"").decode("latin-1")
            if _PREFIX.fullmatch(prefix):
                scope["root_path"] = prefix.rstrip("/")
        await self._behind_proxy(scope, receive, send)

    async def _handle(self, scope: "HTTPScope", receive: Receive, send: Send) -> None:
        environ = environ_of(scope)
        headers = self._cors_headers(environ)
        try:
            check_head(environ)
            if environ["REQUEST_METHOD"] == "OPTIONS" and _ASKED in environ and len(headers) > 1:
                await send(begin_of(HTTPStatus.NO_CONTENT, [*headers, *_PREFLIGHT]))
                await send_body(send, b"", more=False)
                return
            is_inside = environ["SERVER_PORT"] == str(self.settings.metrics_port)
            if not self._has(environ["PATH_INFO"], is_inside=is_inside):
                raise NotFound(f"There is no route {environ['PATH_INFO']!r}.")
            with nullcontext() if is_inside else self._access.admit(environ, headers):
                await self._answer(environ, receive, _adding(headers, send) if headers else send)
        except CallerError as error:
            if isinstance(error, NotAdmitted):
                await self._discard_body(environ, receive)
            status, ours, body = self.refuse(environ, error)
            await send(begin_of(status, [*ours, *headers]))
            await send_body(send, body, more=False)
        except ConnectionError:
            return

    def _has(self, path: str, *, is_inside: bool) -> bool:
        """Whether *path* is answered, at METRICS_PORT or at the other port."""
        if path in self._closed:
            return False
        if is_inside:
            return _PROBES.fullmatch(path) is not None
        return path != "/metrics" or self.settings.metrics_port is None

    async def _answer(self, environ: "WSGIEnvironment", receive: Receive, send: Send) -> None:
        """Read the body, and send what the application says to the whole.

        ``CallerError`` and ``ConnectionError`` where the application is not called.
        """
        body = await self._read_body(environ, receive)
        size = len(body)
        environ[IS_WHOLE] = True
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(size)
        call = Call(self._app, environ)
        if _PROBES.fullmatch(environ["PATH_INFO"]):
            call.run()
            call.came.set()
        else:
            self._places.begin(call)
        self._body_bytes += size
        caller: Caller = environ[CALLER]
        watch = asyncio.create_task(_watch(receive, caller))
        try:
            await call.send(send)
        finally:
            self._body_bytes -= size
            caller.leave()  # a thread that waits for the reader goes on to the end
            watch.cancel()

    def refuse(self, environ: "WSGIEnvironment | None", error: CallerError) -> Answer:
        """The answer to a request that is not handled, or not even one, because of *error*.

        The application says it: so each has an id, a line in the log and a place in the metrics.
        """
        environ = environ or environ_of(NO_REQUEST)
        keep_alive = environ.get(IS_WHOLE)
        environ[REFUSAL] = error
        call = Call(self._app, environ)
        call.run()
        status, headers, body = call.whole()
        return status, headers if keep_alive else [*headers, (b"connection", b"close")], body

    def turn_away(self, data: bytes, client: tuple[str, int] | None) -> Answer | None:
        """The answer to *data* where it is a whole request for which there will be no place.

        With many times more requests than are answered, little else would be done: so this costs a
        tenth of what parsing and a log line cost. ``None`` where *data* is to be parsed.
        """
        if not is_plain(data):
            return None
        told, now = told_of_plain(data), time.monotonic()
        if self._same and self._places.are_taken:
            same, until, answer, count = self._same
            if told == same and now < until:
                count()
                return answer
        try:
            self._places.expect()
        except QueueFull as error:
            is_known = client and client[0] not in self._behind_proxy.trusted_hosts
            environ = environ_of_plain(data, client if is_known else None)
            environ[IS_WHOLE] = True
            status, headers, body = self.refuse(environ, error)
            answer = status, [*headers, *self._cors_headers(environ)], body
            if route := route_of(environ["PATH_INFO"]):
                counter = self._metrics.requests.labels("POST", route.path, str(status))
                self._same = told, now + _SAME_SECONDS, answer, counter.inc
            return answer
        return None

    def _cors_headers(self, environ: "WSGIEnvironment") -> Headers:
        """What lets a page of another origin read the answer, where it may."""
        if not self._origins:
            return []
        origin = "*" if "*" in self._origins else environ.get("HTTP_ORIGIN", "")
        headers = [(b"vary", b"Origin")]
        if origin in self._origins:
            headers += [(b"access-control-allow-origin", origin.encode("latin-1")), _EXPOSED]
        return headers

    async def _discard_body(self, environ: "WSGIEnvironment", receive: Receive) -> None:
        """Let a body that nobody reads come in, as far as one may: most callers listen after it."""
        if "CONTENT_LENGTH" not in environ and "HTTP_TRANSFER_ENCODING" not in environ:
            environ[IS_WHOLE] = True
        elif "HTTP_EXPECT" not in environ:
            size, more = 0, True
            with suppress(TimeoutError):
                async with asyncio.timeout(self.settings.transfer_seconds):
                    while more and size <= self.settings.max_body_bytes:
                        message = await receive()
                        if message["type"] != "http.request":
                            break
                        size += len(message.get("body", b""))
                        more = message.get("more_body", False)
            environ[IS_WHOLE] = not more

    async def _read_body(self, environ: "WSGIEnvironment", receive: Receive) -> bytes:
        """The whole body.

        Raises:
            BodyTooLarge: it has more bytes than are accepted.
            QueueFull: there is no room for it beside the others.
            RequestTimeout: it was not there in time.
            ConnectionError: the caller has left.
        """
        text = environ.get("CONTENT_LENGTH", "")
        if not text and "HTTP_TRANSFER_ENCODING" not in environ:
            return b""
        seconds, limit = self.settings.transfer_seconds, self.settings.max_body_bytes
        if text and int(text) > limit and "HTTP_EXPECT" in environ:
            raise _too_large(limit, int(text))  # the caller waits for a word before it sends
        chunks: list[bytes] = []
        size = kept = 0
        is_full = False
        try:
            async with asyncio.timeout(seconds):
                more = True
                while more and size <= _MOST_DISCARDED * limit:
                    message = await receive()
                    if message["type"] != "http.request":
                        raise ConnectionError
                    chunk, more = message.get("body", b""), message.get("more_body", False)
                    size += len(chunk)
                    is_full = is_full or self._body_bytes + len(chunk) > _MOST_BODIES * limit
                    if size <= limit and not is_full:
                        chunks.append(chunk)
                        kept += len(chunk)
                        self._body_bytes += len(chunk)
        except TimeoutError:
            raise RequestTimeout(
                f"{size} bytes of the body came in {seconds:g} seconds, and not the rest."
            ) from None
        finally:
            self._body_bytes -= kept
        if size > limit:
            raise _too_large(limit, int(text or size))
        if is_full:
            raise QueueFull("Too many large bodies come in at a time.", retry_after_seconds=1)
        return b"".join(chunks)


def _adding(headers: Headers, send: Send) -> Send:
    """*send*, with *headers* in the answer."""

    async def send_more(message: Any) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *headers]
        await send(message)

    return send_more


async def _watch(receive: Receive, caller: Caller) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    caller.leave()


def _too_large(limit: int, found: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body has {found} bytes or more; at most {limit} are accepted.")
