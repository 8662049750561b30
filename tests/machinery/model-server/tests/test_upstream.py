"""The way to the model server: its circuit, its deadline, and what a caller is told."""

import time
from typing import Any

import pytest

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
from service.metrics import Metrics
from service.upstream import CircuitBreaker, Upstream


def test_the_circuit_opens_after_so_many_failures_in_a_row() -> None:
    breaker = CircuitBreaker(3)
    for _ in range(2):
        breaker.failed()
    assert not breaker.is_open
    breaker.failed()
    assert breaker.is_open


def test_an_answer_between_failures_starts_the_count_anew() -> None:
    breaker = CircuitBreaker(2)
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert not breaker.is_open


def test_a_late_answer_does_not_close_the_circuit() -> None:
    breaker = CircuitBreaker(1)
    breaker.failed()
    breaker.succeeded()
    assert breaker.is_open


def test_a_probe_opens_and_closes_the_circuit() -> None:
    breaker = CircuitBreaker(2)
    breaker.open()
    assert breaker.is_open
    breaker.failed()
    breaker.close()
    assert not breaker.is_open
    breaker.failed()
    assert not breaker.is_open  # closing began the count anew


class Way:
    """An upstream, its metrics, and the seconds that calls had."""

    def __init__(self, *, failures: int = 5) -> None:
        self.metrics = Metrics()
        self.upstream = Upstream(
            self.metrics, url="http://127.0.0.1:9", failures=failures, patience_seconds=1
        )
        self.given: list[float] = []

    def call(self, outcome: Any, seconds: float = 10) -> Any:
        with self.upstream.call(time.monotonic() + seconds) as left:
            self.given.append(left)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

    def calls(self, outcome: str) -> float:
        name = "service_model_server_calls_total"
        return self.metrics.registry.get_sample_value(name, {"outcome": outcome}) or 0.0


@pytest.mark.parametrize(
    ("error", "told", "retry_after"),
    [
        (errors.Unreachable("10.0.0.1 gone"), ModelServerUnavailable, 1),
        (errors.Busy("10.0.0.1 full"), QueueFull, 1),
        (errors.Failed("10.0.0.1 raised"), ModelServerFailed, None),
        (errors.TimedOut("10.0.0.1"), DeadlineExceeded, None),
        (errors.Garbage("10.0.0.1 xyz"), ModelServerFailed, None),
        (errors.Refused("10.0.0.1 no"), ModelServerFailed, None),
        (errors.InputFailed("10.0.0.1"), ModelFailed, None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_caller_is_told_what_it_means_and_nothing_of_our_insides(
    error: ServerError, told: type[CallerError], retry_after: int | None
) -> None:
    way = Way()

    with pytest.raises(CallerError) as caught:
        way.call(error)

    assert type(caught.value) is told
    assert caught.value.retry_after_seconds == retry_after
    assert "10.0.0.1" not in caught.value.detail
    assert way.calls(type(error).__name__) == 1


def test_an_answer_is_handed_on_and_counted() -> None:
    way = Way()

    assert way.call("answer", seconds=2) == "answer"

    assert 1.5 < way.given[0] <= 2
    assert way.calls("ok") == 1


def test_no_call_begins_past_the_deadline() -> None:
    way = Way()
    with pytest.raises(DeadlineExceeded):
        way.call("answer", seconds=-1)
    assert way.given == []


def test_failures_in_a_row_open_the_circuit_and_nothing_more_is_sent() -> None:
    way = Way(failures=3)
    for _ in range(3):
        with pytest.raises(ModelServerFailed):
            way.call(errors.Garbage("?"))

    with pytest.raises(ModelServerUnavailable) as caught:
        way.call("answer")

    assert caught.value.retry_after_seconds == 1
    assert len(way.given) == 3


@pytest.mark.parametrize("error", [errors.Busy("full"), errors.InputFailed("?")], ids=repr)
def test_what_says_nothing_of_the_servers_health_does_not_open_the_circuit(
    error: ServerError,
) -> None:
    way = Way(failures=2)
    for _ in range(5):
        with pytest.raises(CallerError):
            way.call(error)

    assert not way.upstream.breaker.is_open


def test_a_caller_in_a_hurry_does_not_open_the_circuit_and_a_patient_one_does() -> None:
    way = Way(failures=1)
    with pytest.raises(DeadlineExceeded):
        way.call(errors.TimedOut("late"), seconds=0.5)
    assert not way.upstream.breaker.is_open

    with pytest.raises(DeadlineExceeded):
        way.call(errors.TimedOut("late"), seconds=2)
    assert way.upstream.breaker.is_open
