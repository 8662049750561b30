"""The HTTP server: one process, one event loop, HTTP/1.1.

On SIGTERM the service says "not ready" and goes on answering for DRAIN_SECONDS, so that load
balancers turn away from it; then the socket closes, and requests in flight are finished.
"""

import asyncio
import errno
import resource
import signal
import socket
import sys
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from service.errors import CallerError, MalformedBody, MalformedRequest, OwnerError, RequestTimeout
from service.logs import log
from service.settings import Settings
from service.versions import Versions
from service.web.access import Access
from service.web.calls import environ_of
from service.web.front import Front

if TYPE_CHECKING:
    from types import FrameType

_BACKLOG = 2048
_MOST_AT_A_TIME = 64
"""Connections that are accepted in one turn of the loop; it counts them some turns later."""
_SPARE_FILES = 256
"""File descriptors that are not for connections, or for those that are not counted yet."""
_MOST_HEAD_BYTES = 64 * 1024


def listen(host: str, port: int, setting: str = "PORT") -> list[socket.socket]:
    """Sockets at *port* of each address of *host*; ``OwnerError`` where none can listen."""
    name = host.removeprefix("[").removesuffix("]")
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        for family, address in dict.fromkeys((each[0], each[4][:2]) for each in found):
            both = name == "::" and socket.has_dualstack_ipv6()
            try:
                sockets.append(
                    socket.create_server(
                        address,
                        family=family,
                        backlog=_BACKLOG,
                        dualstack_ipv6=both,
                    )
                )
            except OSError as error:  # an address that this machine lacks, beside one that it has
                if error.errno != errno.EADDRNOTAVAIL or len(found) == 1:
                    raise
        if not sockets:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
    except OSError as error:
        reason = str(error.strerror).partition(" (while")[0]  # Python adds the address again
        raise OwnerError(
            f"HOST is {host} and {setting} is {port}, where this process cannot listen: "
            f"{reason}. Set others, or stop what listens there."
        ) from None
    for each in sockets:
        # asyncio does not: the end of an answer would wait 40 ms for word that its head has come.
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sockets


class Server(uvicorn.Server):
    """A server that drains before it stops."""

    def __init__(self, versions: Versions, settings: Settings, access: Access) -> None:
        most = _connections(settings.max_connections)
        super().__init__(
            uvicorn.Config(
                Front(versions, settings, access, versions.metrics, most),
                interface="asgi3",
                loop="asyncio",
                http=Connection,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="error",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=_MOST_AT_A_TIME,
                timeout_keep_alive=settings.keep_alive_seconds,
                timeout_graceful_shutdown=settings.shutdown_seconds,
                h11_max_incomplete_event_size=_MOST_HEAD_BYTES,
            )
        )
        self._versions = versions
        self._settings = settings
        self._signals: list[int] = []
        self._stop_at: float | None = None
        self._is_announced = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen; asyncio lets as many wait as it accepts at a time."""
        await super().startup(sockets)
        for each in sockets or ():
            each.listen(_BACKLOG)

    def handle_exit(self, sig: int, _frame: "FrameType | None") -> None:
        """Note the signal; a handler that did more could meet the loop in the middle of a line."""
        self._signals.append(sig)
        self.force_exit = self.should_exit

    async def on_tick(self, counter: int) -> bool:
        """Look after signals, several times a second: SIGTERM drains, a second one or SIGINT stops.

        Ctrl-C on a laptop need not wait for a load balancer.
        """
        self._versions.metrics.connections.set(len(self.server_state.connections))
        if not self._is_announced and self._versions.is_ready:
            self._is_announced = True
            host = self._settings.host
            host = f"[{host}]" if ":" in host and "[" not in host else host
            log.info("serving", address=f"http://{host}:{self._settings.port}")
        if self._signals and self._stop_at is None:
            self._versions.drain()
            self._stop_at = time.monotonic() + self._settings.drain_seconds
        if self._stop_at is not None:
            cut_short = signal.SIGINT in self._signals or len(self._signals) > 1
            self.should_exit = cut_short or time.monotonic() >= self._stop_at
        return await super().on_tick(counter)


class Connection(H11Protocol):
    """A caller's connection: uvicorn's, with an end to how long it may keep the service waiting."""

    app: Front

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's
        super().connection_made(transport)
        self._seconds = self.app.settings.transfer_seconds
        self._stalled: asyncio.TimerHandle | None = None
        self._late: asyncio.TimerHandle | None = self._after(self._head_is_late)
        if len(self.connections) > self.app.max_connections:
            # One that waits for nothing gives way, this one when there is none.
            others = (each for each in self.connections if isinstance(each, Connection))
            idle = (each for each in others if each is not self and each.is_idle)
            next(idle, self).transport.abort()

    def data_received(self, data: bytes) -> None:
        is_between = self.conn.our_state is h11.IDLE and self.conn.their_state is h11.IDLE
        may_begin = is_between and not (self.conn.trailing_data[0] or self.flow.write_paused)
        if may_begin and (answer := self.app.turn_away(data, self.client)):
            self._late = _cancel(self._late)
            self._write(*answer)
            if not self._is_kept:
                self.on_response_complete()
            return
        super().data_received(data)
        if self.is_busy:
            self._late = _cancel(self._late)
        elif not self._late:
            self._late = self._after(self._head_is_late)

    def eof_received(self) -> None:
        """A body that is cut short is refused; else a caller that closes its side has left."""
        if self.is_busy and self.cycle.more_body:
            self.conn.receive_data(b"")
            self.handle_events()

    def connection_lost(self, exc: Exception | None) -> None:
        self._late, self._stalled = _cancel(self._late), _cancel(self._stalled)
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self._stalled or self._after(self.transport.abort)

    def resume_writing(self) -> None:
        self._stalled = _cancel(self._stalled)
        super().resume_writing()

    def on_response_complete(self) -> None:
        """Give the caller some time to take the end of the answer."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._stalled = self._stalled or self._after(self.transport.abort)

    def timeout_keep_alive_handler(self) -> None:
        """Close, also where an answer was not read."""
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP; uvicorn calls this where it handles h11's error."""
        fault = sys.exception()
        detail = f"{fault or msg}."
        is_body = self.is_busy or "Content-Length" in detail
        error: CallerError = MalformedBody(detail) if is_body else MalformedRequest(detail)
        error.status = HTTPStatus(getattr(fault, "error_status_hint", HTTPStatus.BAD_REQUEST))
        self._refuse(error)

    @property
    def is_busy(self) -> bool:
        return self.conn.our_state in {h11.SEND_RESPONSE, h11.SEND_BODY}

    @property
    def is_idle(self) -> bool:
        """It waits for nothing, and is open."""
        return not (self.is_busy or self.transport.is_closing())

    @property
    def _is_kept(self) -> bool:
        """It will not be closed for being idle before its time, or a second earlier."""
        timer = self.timeout_keep_alive_task
        seconds = self.timeout_keep_alive - 1
        return timer is not None and timer.when() > self.loop.time() + seconds

    def _after(self, call: Any) -> asyncio.TimerHandle:
        timer: asyncio.TimerHandle = self.loop.call_later(self._seconds, call)
        return timer

    def _head_is_late(self) -> None:
        if self.conn.our_state is h11.IDLE and self.conn.trailing_data[0]:
            self._refuse(RequestTimeout(f"The head of the request took over {self._seconds:g} s."))
        else:
            self.transport.abort()

    def _write(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """As h11 would, which has not read the request."""
        lines = [b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode())]
        lines += [b"%s: %s" % each for each in (*self.server_state.default_headers, *headers)]
        self.transport.write(b"\r\n".join([*lines, b"", body]))
        if (b"connection", b"close") in headers:
            self.transport.close()

    def _refuse(self, error: CallerError) -> None:
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self.transport.abort()
            return
        environ = environ_of(self.scope) if self.is_busy else None
        status, headers, body = self.app.refuse(environ, error)
        response = h11.Response(status_code=status, headers=headers)
        for event in (response, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
        self._stalled = self._stalled or self._after(self.transport.abort)


def _cancel(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    if timer:
        timer.cancel()
    return None


def _connections(wanted: int) -> int:
    """So many of *wanted* as the system lets this process have open."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = wanted + _SPARE_FILES
    if most != resource.RLIM_INFINITY:
        files = min(files, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
    return max(1, files - _SPARE_FILES)
