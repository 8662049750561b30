"""Calls the model server as a good client does: one deadline, retries in a budget, a breaker.

Knows nothing of protocols: what is called raises ``ServerError``.
"""

import random
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import TypeVar

from service.circuit_breaker import CircuitBreaker
from service.errors import DeadlineExceeded, ModelServerUnavailable
from service.logs import log
from service.metrics import Metrics
from service.retry_budget import RetryBudget
from service.server_errors import ServerError, TimedOut
from service.upstream_errors import to_caller_error

Answer = TypeVar("Answer")

_MOST_RETRIES = 2
_FIRST_PAUSE_SECONDS = 0.05
"""Before the first retry; twice as much before the next, each shortened by chance up to a half."""


class Upstream:
    """The way to the model server, for all threads of this process.

    Args:
        metrics: where calls are counted.
        failures: in a row, until the circuit opens.
        patience_seconds: a call that had so much time and no answer speaks against the server, and
            not against a caller in a hurry.
    """

    def __init__(self, metrics: Metrics, *, failures: int, patience_seconds: float) -> None:
        self._metrics = metrics
        self._patience_seconds = patience_seconds
        self._budget = RetryBudget()
        self.breaker = CircuitBreaker(failures)

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

    def call(self, ask: Callable[[float], Answer], *, deadline: float) -> Answer:
        """What *ask* answers, perhaps at a second or third try.

        Args:
            ask: one try; told how many seconds it has, and raises ``ServerError``. It must change
                nothing, so that it may be repeated.
            deadline: ``time.monotonic()`` when the caller gives up.

        Raises:
            ModelServerUnavailable, ModelServerFailed, QueueFull, DeadlineExceeded, ModelFailed:
                as their names say.
        """
        for number in range(_MOST_RETRIES + 1):
            self.check()
            try:
                with self._counted(deadline) as seconds:
                    return ask(seconds)
            except ServerError as error:
                if not self._may_retry(error, number, deadline):
                    raise to_caller_error(error) from error
        raise AssertionError("the last try returns or raises")

    def stream(
        self, ask: Callable[[float], Generator[Answer]], *, deadline: float
    ) -> Generator[Answer]:
        """The answers that *ask* gives one after the other; asked again only before the first.

        Args and errors are those of :meth:`call`. To be closed, so that the server hears that
        nobody waits.
        """

        def begin(seconds: float) -> tuple[Answer, Generator[Answer]]:
            answers = ask(seconds)
            return next(answers), answers

        seconds = deadline - time.monotonic()
        first, answers = self.call(begin, deadline=deadline)
        with closing(answers):
            yield first
            try:
                yield from answers
            except ServerError as error:
                self._note(error, seconds)
                raise to_caller_error(error) from error

    @contextmanager
    def _counted(self, deadline: float) -> Iterator[float]:
        """Count one try; gives the seconds that it has."""
        started = time.monotonic()
        seconds = deadline - started
        if seconds <= 0:
            raise DeadlineExceeded("No answer in the time that the caller waits.")
        try:
            yield seconds
        except ServerError as error:
            self._note(error, seconds)
            raise
        else:
            self.breaker.succeeded()
            self._budget.earn()
            self._metrics.calls.labels("ok").inc()
        finally:
            self._metrics.call_seconds.observe(time.monotonic() - started)

    def _note(self, error: ServerError, seconds: float) -> None:
        """Count *error*, which ended a call that had *seconds*."""
        outcome = type(error).__name__
        log.warning("model_server_call_failed", outcome=outcome, reason=str(error))
        self._metrics.calls.labels(outcome).inc()
        in_a_hurry = isinstance(error, TimedOut) and seconds < self._patience_seconds
        if error.is_ill and not in_a_hurry:
            self.breaker.failed()

    def _may_retry(self, error: ServerError, number: int, deadline: float) -> bool:
        """Whether to retry, after a pause, which this takes."""
        pause = _FIRST_PAUSE_SECONDS * 2**number * random.uniform(0.5, 1)  # noqa: S311  # no secret
        if (
            not error.may_ask_again
            or number == _MOST_RETRIES
            or time.monotonic() + pause >= deadline
            or not self._budget.take()
        ):
            return False
        time.sleep(pause)
        self._metrics.retries.inc()
        return True
