"""The way to the model server: deadlines, a circuit breaker, and what callers are told.

Knows nothing of protocols: clients raise ``ServerError``. Retries are those of the clients'
libraries, urllib3 and gRPC.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
# only: predict
from math import ceil

from structlog.contextvars import bind_contextvars, get_contextvars
# end

from service import errors, tracing
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
# only: predict

_SMOOTHING = 0.1
"""Weight of the newest call in the measured time per call."""
_MARGIN = 1.25
"""By how much a call may take longer than those before it."""
# end


class CircuitBreaker:
    """Leaves an ill model server alone, so that callers hear at once and the server can recover.

    Some failures in a row open the circuit, and nothing is sent. A probe closes it again; no
    caller's request is spent on finding out (https://martinfowler.com/bliki/CircuitBreaker.html).
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
        url: of the server.
        failures: in a row, until the circuit opens.
        patience_seconds: a call that had so much time and no answer speaks against the server, and
            not against a caller in a hurry.
    """

    def __init__(
        self, metrics: Metrics, *, url: str, failures: int, patience_seconds: float
    ) -> None:
        self.breaker = CircuitBreaker(failures)
        self.answered = 0.0  # when, by time.monotonic(), a call last was
        self._metrics = metrics
        self._url = url
        self._patience_seconds = patience_seconds
        # only: predict
        self._lock = threading.Lock()
        self._under_way = 0
        self._seconds_per_call = 0.0
        # end

    def check(self) -> None:
        """Raise ``ModelServerUnavailable`` while the circuit is open."""
        if self.breaker.is_open:
            raise ModelServerUnavailable(
                "The model server is ill and left alone until it has recovered.",
                retry_after_seconds=1,
            )

    # only: predict
    @contextmanager
    def turn(self, deadline: float) -> Iterator[None]:
        """Take a turn for one call, made in the ``with`` block; servers have long queues.

        Args:
            deadline: ``time.monotonic()`` when the caller gives up.

        Raises:
            QueueFull: as measured, the answer would come later.
        """
        started = time.monotonic()
        with self._lock:
            before, seconds = self._under_way, (self._under_way + 1) * self._seconds_per_call
            if before and started + _MARGIN * seconds > deadline:
                raise QueueFull(
                    f"{before} calls of the model server are under way, and one more would take "
                    f"{seconds:.1f} seconds.",
                    retry_after_seconds=max(1, ceil(seconds)),
                )
            self._under_way += 1
        try:
            yield
        finally:
            newest = (time.monotonic() - started) / (before + 1)
            with self._lock:
                self._under_way -= 1
                known = self._seconds_per_call or newest
                self._seconds_per_call = known + _SMOOTHING * (newest - known)

    # end
    @contextmanager
    def call(self, deadline: float) -> Iterator[float]:
        """Count one call of the server, made in the ``with`` block; gives the seconds that it has.

        An open circuit, and a ``ServerError`` in the block, become what the caller is told.
        *deadline* is ``time.monotonic()`` when the caller gives up.
        """
        self.check()
        started = time.monotonic()
        seconds = deadline - started
        if seconds <= 0:
            raise DeadlineExceeded("No answer in the time that the caller waits.")
        try:
            with tracing.call(self._url):
                yield seconds
        except ServerError as error:
            self._note(error, seconds)
            raise to_caller_error(error) from error
        else:
            self.breaker.succeeded()
            self.answered = time.monotonic()
            self._metrics.calls.labels("ok").inc()
        finally:
            taken = time.monotonic() - started
            self._metrics.call_seconds.observe(taken)
            # only: predict
            before = get_contextvars().get("model_milliseconds", 0)  # of this request's other calls
            bind_contextvars(model_milliseconds=round(before + taken * 1000, 2))
            # end

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
