"""The way to the model server: deadlines, a circuit breaker, and whether the server is ready.

Knows nothing of protocols: clients raise ``ServerError``. Retries are those of the clients'
libraries, urllib3 and gRPC.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from service import errors
from service.errors import (
    CallerError,
    DeadlineExceeded,
    ModelFailed,
    ModelServerFailed,
    ModelServerUnavailable,
    NotReady,
    QueueFull,
    ServerError,
)
from service.logs import log
from service.manifest import Manifest
from service.metrics import Metrics

_WATCH_SECONDS = 1.0
"""Between two probes of a server that is well."""
_SEARCH_SECONDS = 0.2
"""Between two probes of one that is not."""
PROBE_SECONDS = 2.0
"""Time limit of a probe."""
_MOST_MISSES = 1
"""Failed probes in a row that a server which was well may have: one may meet a moment's hitch."""


class Server(Protocol):
    """A client of a model server, for one version of a model. Used by many threads."""

    def is_ready(self, *, timeout_seconds: float) -> bool:
        """Whether the server serves the version.

        Raises:
            ServerError: the call failed.
        """

    def close(self) -> None:
        """Close the connections."""


class WrongModel(Exception):
    """The model server answers golden inputs otherwise than the exported model did."""


class CircuitBreaker:
    """Leaves an ill model server alone, so that callers hear at once and the server can recover.

    Some failures in a row open the circuit, and nothing is sent. A probe closes it again; no
    caller's request is spent on finding out (https://martinfowler.com/bliki/CircuitBreaker.html).

    Args:
        failures: in a row, until it opens.
    """

    def __init__(self, failures: int) -> None:
        self.is_open = False
        self._most = failures
        self._failures = 0
        self._lock = threading.Lock()

    def succeeded(self) -> None:
        """The server has answered; that does not close an open circuit."""
        if self._failures:
            with self._lock:
                self._failures = 0

    def failed(self) -> None:
        """The server has given no answer, or a wrong one."""
        with self._lock:
            self._failures += 1
            self.is_open = self.is_open or self._failures >= self._most

    def open(self) -> None:
        """A probe has shown that the server is ill."""
        self.is_open = True

    def close(self) -> None:
        """A probe has shown that the server is well."""
        with self._lock:
            self._failures = 0
            self.is_open = False


class Upstream:
    """Calls of the model server by all threads of this process.

    Args:
        metrics: where calls are counted.
        failures: in a row, until the circuit opens.
        patience_seconds: a call that had so much time and no answer speaks against the server, and
            not against a caller in a hurry.
    """

    def __init__(self, metrics: Metrics, *, failures: int, patience_seconds: float) -> None:
        self.breaker = CircuitBreaker(failures)
        self._metrics = metrics
        self._patience_seconds = patience_seconds

    def check(self) -> None:
        """Make sure that the server may be called.

        Raises:
            ModelServerUnavailable: the circuit is open.
        """
        if self.breaker.is_open:
            raise ModelServerUnavailable(
                "The model server is ill and left alone until it has recovered.",
                retry_after_seconds=1,
            )

    @contextmanager
    def call(self, deadline: float) -> Iterator[float]:
        """Count one call of the server, made in the ``with`` block; gives the seconds that it has.

        Args:
            deadline: ``time.monotonic()`` when the caller gives up.

        Raises:
            ModelServerUnavailable: the circuit is open; or the server was not reached.
            ModelServerFailed, QueueFull, DeadlineExceeded, ModelFailed: as their names say, for a
                ``ServerError`` in the block.
        """
        self.check()
        started = time.monotonic()
        seconds = deadline - started
        if seconds <= 0:
            raise DeadlineExceeded("No answer in the time that the caller waits.")
        try:
            yield seconds
        except ServerError as error:
            self._note(error, seconds)
            raise to_caller_error(error) from error
        else:
            self.breaker.succeeded()
            self._metrics.calls.labels("ok").inc()
        finally:
            self._metrics.call_seconds.observe(time.monotonic() - started)

    def _note(self, error: ServerError, seconds: float) -> None:
        """Count *error*, which ended a call that had *seconds*."""
        outcome = type(error).__name__
        log.warning("model_server_call_failed", outcome=outcome, reason=str(error))
        self._metrics.calls.labels(outcome).inc()
        in_a_hurry = isinstance(error, errors.TimedOut) and seconds < self._patience_seconds
        if error.is_ill and not in_a_hurry:
            self.breaker.failed()


def to_caller_error(error: ServerError) -> CallerError:
    """What *error* means for the caller; the server's own words stay in the log."""
    match error:
        case errors.Unreachable():
            return ModelServerUnavailable("The model server is not reached.", retry_after_seconds=1)
        case errors.Busy():
            return QueueFull("The model server takes no more for now.", retry_after_seconds=1)
        case errors.TimedOut():
            return DeadlineExceeded("No answer in the time that the caller waits.")
        case errors.InputFailed():
            return ModelFailed("The model failed on this input.")
        case _:
            return ModelServerFailed("The model server failed.")


class Watch:
    """A thread that probes the server: it is ready when it has the right model, and is well.

    Args:
        folder: the version's.
        manifest: the version's.
        metrics: where the circuit and the model are shown.
        upstream: its circuit follows what a probe finds.
        server: which is probed.
        check_model: asks the server for golden outputs; raises ``WrongModel``, ``ServerError``.
        on_failure: told once when a bug has ended the watch.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        metrics: Metrics,
        upstream: Upstream,
        *,
        server: Server,
        check_model: Callable[[], None],
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._folder = folder
        self._manifest = manifest
        self._metrics = metrics
        self._upstream = upstream
        self._server = server
        self._check_model = check_model
        self._on_failure = on_failure
        self._is_known = False  # as the right model, since it was last seen ill
        self._misses = 0  # probes that have failed in a row
        self._reason = ""
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Begin to probe; returns at once."""
        self._thread.start()

    def close(self) -> None:
        """Probe no more."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def is_live(self) -> bool:
        """The watch goes on. A server that is ill is no reason to restart this process."""
        return self._thread.is_alive()

    @property
    def is_ready(self) -> bool:
        """The server has the right model and is well."""
        return self._is_known and not self._upstream.breaker.is_open

    def check(self) -> None:
        """Make sure that the server may be called.

        Raises:
            NotReady: it has not shown yet that it has the right model.
            ModelServerUnavailable: it is ill.
        """
        self._upstream.check()
        if not self._is_known:
            raise NotReady("The model server is not ready.", retry_after_seconds=1)

    def _run(self) -> None:
        try:
            while not self._closed.is_set():
                self._probe()
                well = self.is_ready and not self._misses
                self._closed.wait(_WATCH_SECONDS if well else _SEARCH_SECONDS)
        except Exception as error:  # noqa: BLE001  # a bug; /livez fails from now on
            self._on_failure(error)

    def _probe(self) -> None:
        started = time.monotonic()
        breaker = self._upstream.breaker
        try:
            if not self._server.is_ready(timeout_seconds=PROBE_SECONDS):
                self._miss("the model server does not serve this version")
                return
            if not self.is_ready:
                self._check_model()
                breaker.close()
                self._found(time.monotonic() - started)
            self._misses = 0
        except ServerError as error:
            self._miss(str(error))
        except WrongModel as error:
            self._lost(f"the model server has another model: {error}")
        finally:
            self._metrics.circuit_open.set(breaker.is_open)

    def _found(self, seconds: float) -> None:
        self._is_known = True
        self._reason = ""
        facts = self._manifest
        labels = (facts.name, facts.version, facts.task, facts.artefacts[0].format)
        self._metrics.model_info.clear()
        self._metrics.model_info.labels(*labels).set(1)
        log.info("ready", model=str(self._folder), seconds=round(seconds, 2))

    def _miss(self, reason: str) -> None:
        """Count a probe that failed; too many in a row lose the server."""
        self._misses += 1
        if not self._is_known or self._misses > _MOST_MISSES:
            self._lost(reason)

    def _lost(self, reason: str) -> None:
        if self._is_known:
            self._upstream.breaker.open()
        self._is_known = False
        if reason != self._reason:
            log.warning("model_server_not_ready", model=str(self._folder), reason=reason)
        self._reason = reason
