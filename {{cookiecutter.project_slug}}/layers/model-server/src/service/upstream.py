"""The way to the model server: deadlines, a circuit breaker, and what callers are told.

Knows nothing of protocols: clients raise ``ServerError``. Retries are those of the clients'
libraries, urllib3 and gRPC.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from service import errors
from service.errors import (
    CallerError,
    DeadlineExceeded,
    ModelFailed,
    ModelServerFailed,
    ModelServerUnavailable,
    QueueFull,
    ServerError,
)
from service.logs import log
from service.metrics import Metrics


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
