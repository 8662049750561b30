"""The HTTP server: one process that serves, and a parent that starts and stops it.

On SIGTERM the service says "not ready" and goes on answering for DRAIN_SECONDS, so that load
balancers turn away from it; then the socket closes, and requests in flight are finished.
"""

import contextlib
import os
import signal
import socket
from typing import Any

from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer

from service.errors import OwnerError
from service.settings import Settings

DRAIN_SIGNAL = signal.SIGUSR1
"""Makes the serving process fail /readyz before it stops."""
APPLICATION = "service.versions:application"
"""What the serving process loads."""


def check_address(host: str, port: int) -> None:
    """See whether a service can listen at *host* and *port*.

    Raises:
        OwnerError: it cannot; the server itself would end with a stack trace.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise OwnerError(
            f"HOST is {host} and PORT is {port}, where this process cannot listen: "
            f"{error.strerror}. Set others, or stop what listens there."
        ) from None


def _end_when_told() -> None:
    """Let signals end the serving process until it listens for them; the parent's way is no use."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


class Server(MPServer):
    """A WSGI server that drains before it stops.

    Args:
        settings: where to listen, how many threads, how long to wait.
    """

    def __init__(self, settings: Settings) -> None:
        self._drain_seconds = settings.drain_seconds
        self._is_to_drain = False
        # Inherited by the serving process, which the signal would end before it listens for it.
        signal.signal(DRAIN_SIGNAL, signal.SIG_IGN)
        os.register_at_fork(after_in_child=_end_when_told)
        super().__init__(
            APPLICATION,
            factory=True,
            interface=Interfaces.WSGI,
            address=settings.host,
            port=settings.port,
            workers=1,  # one process holds the model; replicas are the way to more
            blocking_threads=settings.http_threads,
            backpressure=settings.http_threads,
            workers_kill_timeout=settings.shutdown_seconds,
            http1_settings=HTTP1Settings(header_read_timeout=10_000),  # milliseconds
            log_level=LogLevels.error,
            log_dictconfig={"loggers": {"_granian": {"propagate": True}}},
        )

    def signal_handler_interrupt(self, *args: Any, **kwargs: Any) -> None:
        """Remember which signal it was: Ctrl-C on a laptop need not wait for a load balancer."""
        self._is_to_drain = args[0] == signal.SIGTERM
        super().signal_handler_interrupt(*args, **kwargs)  # type: ignore[no-untyped-call]

    def shutdown(self, exit_code: int = 0) -> None:
        """Drain after SIGTERM, then stop. A second signal cuts the draining short."""
        if self._is_to_drain:
            self._drain()
        super().shutdown(exit_code)  # type: ignore[no-untyped-call]

    def _drain(self) -> None:
        self.main_loop_interrupt.clear()
        for worker in self.wrks:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.inner.pid, DRAIN_SIGNAL)
        self.main_loop_interrupt.wait(self._drain_seconds)
