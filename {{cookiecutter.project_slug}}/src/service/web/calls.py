"""The WSGI application, called in threads for requests that an event loop has read."""

import asyncio
import io
import re
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes, urlsplit

from service.errors import MalformedBody, MalformedRequest, QueueFull
from service.logs import log
from service.web.requests import CALLER, Caller

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication, WSGIEnvironment

    from uvicorn._types import HTTPScope

Send = Callable[[Any], Awaitable[None]]
Answer = tuple[int, list[tuple[bytes, bytes]], bytes]

_CHUNK_BYTES = 64 * 1024
_MOST_HELD = 256 * 1024
"""A stream waits for its reader when this many bytes are on their way."""
_SMOOTHING = 0.1
"""Weight of the newest request in the measured time per request."""
_HOST = re.compile(r"[^\s/?#@\\<>\"]*")
_POST = re.compile(rb"POST /[^ \r\n]* HTTP/1\.1\r\n")
_FRAMING = re.compile(
    rb"\n(?:content-length|transfer-encoding|expect|upgrade|connection: *close)[^\n]*",
    re.IGNORECASE,
)
"""Headers that say where a request ends, and what follows it."""
_TOLD = re.compile(rb"^POST [^\n]*|\n(?:origin|x-request-id)[^\n]*", re.IGNORECASE)
"""What a refusal repeats, or depends on."""
NO_REQUEST: Any = {
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


class Places:
    """So many threads, and at most one request for each; for the event loop alone."""

    def __init__(self, most: int) -> None:
        self._threads = ThreadPoolExecutor(most, "request")
        self._most = most
        self._running = 0
        self._coming = 0
        self._seconds = 0.0  # per request, as measured

    @property
    def are_taken(self) -> bool:
        return self._running + self._coming >= self._most

    def expect(self) -> None:
        """A request takes its place in the loop's next turn; ``QueueFull`` where there is none."""
        self._check(self._running + self._coming)
        if not self._coming:
            asyncio.get_running_loop().call_soon(self._arrive)
        self._coming += 1

    def begin(self, call: "Call") -> None:
        """Run *call* in a thread; ``QueueFull`` where too many are under way."""
        self._check(self._running)
        self._running += 1
        started, running = time.monotonic(), self._running

        def end() -> None:
            self._running -= 1
            newest = (time.monotonic() - started) / running
            self._seconds += _SMOOTHING * (newest - self._seconds)
            call.came.set()

        self._threads.submit(call.run, end)

    def _arrive(self) -> None:
        self._coming = 0

    def _check(self, taken: int) -> None:
        if taken >= self._most:
            raise QueueFull(
                f"{taken} requests are under way, and no more may be.",
                retry_after_seconds=max(1, ceil(taken * self._seconds)),
            )


class Call:
    """One call of the application, and its answer on the way from a thread to the event loop."""

    def __init__(self, app: "WSGIApplication", environ: "WSGIEnvironment") -> None:
        self._app = app
        self._environ = environ
        self._caller: Caller = environ[CALLER]
        self._loop = asyncio.get_running_loop()
        self.came = asyncio.Event()
        """Something of the answer is there, or its end."""
        self._changed = threading.Condition()
        self._status = 500
        self._headers: list[tuple[bytes, bytes]] = []
        self._pieces: list[bytes] = []
        self._held = 0
        self._ended = False
        self._caller.when_left(self._wake)

    def run(self, when_ended: Callable[[], None] | None = None) -> None:
        """Call the application; for a thread, which has the loop call *when_ended*."""
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
            if when_ended:
                self._loop.call_soon_threadsafe(when_ended)

    def whole(self) -> Answer:
        return self._status, self._headers, b"".join(self._pieces)

    async def send(self, send: Send) -> None:
        is_begun = ended = False
        while not ended:
            await self.came.wait()
            self.came.clear()
            with self._changed:
                data, self._pieces = b"".join(self._pieces), []
                ended = self._ended
            if not is_begun:
                await send(begin_of(self._status, self._headers))
                is_begun = True
            await send_body(send, data, more=not ended)
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
        self._loop.call_soon_threadsafe(self.came.set)

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


def is_plain(data: bytes) -> bool:
    """Whether *data* is a POST, head and body, that says in the plainest way where it ends."""
    head, _, body = data.partition(b"\r\n\r\n")
    length = b"\ncontent-length: %d" % len(body)
    framing = [each.strip(b"\r").lower() for each in _FRAMING.findall(head)]
    return _POST.match(head) is not None and framing == [length]


def told_of_plain(data: bytes) -> list[bytes]:
    """What the answer to such a request depends on where it is refused for want of a place."""
    return _TOLD.findall(data, 0, data.index(b"\r\n\r\n"))


def environ_of_plain(data: bytes, client: tuple[str, int] | None) -> "WSGIEnvironment":
    """The WSGI environment of such a request."""
    line, *lines = data.partition(b"\r\n\r\n")[0].split(b"\r\n")
    path, _, query = line.split(b" ")[1].partition(b"?")
    parts = (each.partition(b":") for each in lines)
    headers = [(name.lower(), value.strip()) for name, _, value in parts]
    of_line = {"method": "POST", "raw_path": path, "query_string": query}
    return environ_of(NO_REQUEST | of_line | {"headers": headers, "client": client})


def check_head(environ: "WSGIEnvironment") -> None:
    """Refuse what the parser lets pass."""
    if environ["SERVER_PROTOCOL"] not in {"HTTP/1.0", "HTTP/1.1"}:
        raise MalformedRequest(f"It is {environ['SERVER_PROTOCOL']}; send HTTP/1.1.")
    host = environ.get("HTTP_HOST", "")
    if not _HOST.fullmatch(host):
        raise MalformedRequest(f"Host is {host[:100]!r}, which is no address.")
    if "CONTENT_LENGTH" in environ and "HTTP_TRANSFER_ENCODING" in environ:
        raise MalformedBody("Content-Length and Transfer-Encoding are both there; send one.")


def begin_of(status: int, headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers}


async def send_body(send: Send, data: bytes, *, more: bool) -> None:
    """Send *data* in parts, each when the reader has taken most of the last."""
    for first in range(0, max(len(data), 1), _CHUNK_BYTES):
        last = first + _CHUNK_BYTES >= len(data)
        part = data[first : first + _CHUNK_BYTES]
        if part or not more:
            await send({"type": "http.response.body", "body": part, "more_body": more or not last})
