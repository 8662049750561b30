"""What stands before the web framework: bodies, places and answers, in one event loop.

A caller that sends or reads slowly costs a connection here, and no thread. The application is
WSGI's: it gets a request whose body is complete, in a thread that is free, or not at all. Probes
wait for nothing, and are answered in the loop.
"""

import asyncio
import io
import re
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from http import HTTPStatus
from math import ceil
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes, urlsplit

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from service.errors import (
    BodyTooLarge,
    CallerError,
    MalformedBody,
    MalformedRequest,
    NotAdmitted,
    NotFound,
    QueueFull,
    RequestTimeout,
)
from service.logs import log
from service.settings import Settings, listed
from service.web.access import Access, Headers
from service.web.requests import CALLER, REFUSAL, Caller

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication, WSGIEnvironment

    from uvicorn._types import HTTPScope

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
IS_WHOLE = "service.is_whole"
"""Key of whether nothing of a request is still to come, in the WSGI environment."""

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]

_PROBES = re.compile(r"/(livez|readyz|metrics|v2/health/\w+|v2/models/.+/ready)")
_MOST_DISCARDED = 8
"""A body that is too large is read to its end up to this many times the limit: most callers listen
for an answer only when they are done."""
_MOST_BODIES = 16
"""All bodies together may have this many times the limit of one."""
_CHUNK_BYTES = 64 * 1024
_MOST_HELD = 256 * 1024
"""A stream waits for its reader when this many bytes are on their way."""
_SMOOTHING = 0.1
"""Weight of the newest request in the measured time per request."""
_HOST = re.compile(r"[^\s/?#@\\<>\"]*")
_NO_REQUEST: Any = {
    "method": "",
    "raw_path": b"",
    "query_string": b"",
    "http_version": "1.1",
    "scheme": "http",
    "server": None,
    "client": None,
    "headers": [],
    "root_path": "",
}
"""Stands for one whose head cannot be read."""


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
        self, app: "WSGIApplication", settings: Settings, access: Access, max_connections: int
    ) -> None:
        self.settings = settings
        self._access = access
        self.max_connections = max_connections
        trusted = listed(settings.trusted_proxies)
        self._behind_proxy = ProxyHeadersMiddleware(self._handle, trusted)  # type: ignore[arg-type]  # HTTP alone
        self._origins = listed(settings.cors_origins)
        self._closed = {path for path, name in _SWITCHES.items() if not getattr(settings, name)}
        self._app = app
        self._threads = _Threads(settings.http_threads)
        self._body_bytes = 0

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
            _check_head(environ)
            if environ["REQUEST_METHOD"] == "OPTIONS" and _ASKED in environ and len(headers) > 1:
                await send(_begin(HTTPStatus.NO_CONTENT, [*headers, *_PREFLIGHT]))
                await _send_body(send, b"", more=False)
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
            await send(_begin(status, [*ours, *headers]))
            await _send_body(send, body, more=False)
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
        call = _Call(self._app, environ)
        if _PROBES.fullmatch(environ["PATH_INFO"]):
            call.run()
        else:
            self._threads.begin(call.run)
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
        environ = environ or environ_of(_NO_REQUEST)
        keep_alive = environ.get(IS_WHOLE)
        environ[REFUSAL] = error
        call = _Call(self._app, environ)
        call.run()
        status, headers, body = call.whole()
        return status, headers if keep_alive else [*headers, (b"connection", b"close")], body

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


class _Threads:
    """So many threads, and at most one request for each."""

    def __init__(self, most: int) -> None:
        self._threads = ThreadPoolExecutor(most, "request")
        self._most = most
        self._running = 0
        self._seconds = 0.0  # per request, as measured
        self._lock = threading.Lock()

    def begin(self, run: Callable[[], None]) -> None:
        """Call *run* in a thread; ``QueueFull`` where too many are under way."""
        with self._lock:
            if self._running >= self._most:
                raise QueueFull(
                    f"{self._running} requests are under way, and no more may be.",
                    retry_after_seconds=max(1, ceil(self._running * self._seconds)),
                )
            self._running += 1
            running = self._running
        self._threads.submit(self._run, run, time.monotonic(), running)

    def _run(self, run: Callable[[], None], started: float, running: int) -> None:
        try:
            run()
        finally:
            newest = (time.monotonic() - started) / running
            with self._lock:
                self._running -= 1
                self._seconds += _SMOOTHING * (newest - self._seconds)


class _Call:
    """One call of the application, and its answer on the way from a thread to the event loop."""

    def __init__(self, app: "WSGIApplication", environ: "WSGIEnvironment") -> None:
        self._app = app
        self._environ = environ
        self._caller: Caller = environ[CALLER]
        self._loop = asyncio.get_running_loop()
        self._came = asyncio.Event()
        self._changed = threading.Condition()
        self._status = 500
        self._headers: list[tuple[bytes, bytes]] = []
        self._pieces: list[bytes] = []
        self._held = 0
        self._ended = False
        self._caller.when_left(self._wake)

    def run(self) -> None:
        """Call the application; for a thread."""
        chunks: Iterable[bytes] = ()
        try:
            chunks = self._app(self._environ, self._start)
            if isinstance(chunks, list):
                self._pieces, chunks = chunks, ()
            for chunk in chunks:
                self._put(chunk)
                if self._caller.has_left:
                    break
        except Exception:  # noqa: BLE001  # the application answers its own
            log.exception("unexpected_error")
        finally:
            if close := getattr(chunks, "close", None):
                close()
            with self._changed:
                self._ended = True
            self._loop.call_soon_threadsafe(self._came.set)

    def whole(self) -> Answer:
        return self._status, self._headers, b"".join(self._pieces)

    async def send(self, send: Send) -> None:
        is_begun = ended = False
        while not ended:
            await self._came.wait()
            self._came.clear()
            with self._changed:
                data, self._pieces = b"".join(self._pieces), []
                ended = self._ended
            if not is_begun:
                await send(_begin(self._status, self._headers))
                is_begun = True
            await _send_body(send, data, more=not ended)
            with self._changed:
                self._held -= len(data)
                self._changed.notify_all()

    def _start(
        self, status: str, headers: list[tuple[str, str]], _exc_info: Any = None
    ) -> Callable[[bytes], object]:
        self._status = int(status.partition(" ")[0])
        self._headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers
        ]
        return self._put

    def _put(self, chunk: bytes) -> None:
        """Hand *chunk* over; waits while the reader is behind."""
        with self._changed:
            self._changed.wait_for(lambda: self._held < _MOST_HELD or self._caller.has_left)
            self._pieces.append(chunk)
            self._held += len(chunk)
        self._loop.call_soon_threadsafe(self._came.set)

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


def environ_of(scope: "HTTPScope") -> "WSGIEnvironment":
    """The WSGI environment of a request whose body is still to come."""
    target = scope["raw_path"].decode("latin-1")
    path = target if target.startswith("/") else urlsplit(target).path
    server, port = scope["server"] or ("localhost", 80)
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": scope["root_path"],
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server,
        "SERVER_PORT": str(port or 0),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": (scope["client"] or ("",))[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        CALLER: Caller(),
    }
    for raw_name, raw_value in scope["headers"]:
        if b"_" in raw_name:  # it would pass for one with a dash
            continue
        name = raw_name.decode("latin-1").upper().replace("-", "_")
        key = name if name in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{name}"
        value = raw_value.decode("latin-1")
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ


def _check_head(environ: "WSGIEnvironment") -> None:
    """Refuse what the parser lets pass."""
    if environ["SERVER_PROTOCOL"] not in {"HTTP/1.0", "HTTP/1.1"}:
        raise MalformedRequest(f"It is {environ['SERVER_PROTOCOL']}; send HTTP/1.1.")
    host = environ.get("HTTP_HOST", "")
    if not _HOST.fullmatch(host):
        raise MalformedRequest(f"Host is {host[:100]!r}, which is no address.")
    if "CONTENT_LENGTH" in environ and "HTTP_TRANSFER_ENCODING" in environ:
        raise MalformedBody("Content-Length and Transfer-Encoding are both there; send one.")


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


def _begin(status: int, headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers}


async def _send_body(send: Send, data: bytes, *, more: bool) -> None:
    """Send *data* in parts, each when the reader has taken most of the last."""
    for first in range(0, max(len(data), 1), _CHUNK_BYTES):
        last = first + _CHUNK_BYTES >= len(data)
        part = data[first : first + _CHUNK_BYTES]
        if part or not more:
            await send({"type": "http.response.body", "body": part, "more_body": more or not last})


def _too_large(limit: int, found: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body has {found} bytes or more; at most {limit} are accepted.")
