"""The way to the model server: what is asked again, for how long, and what a caller is told."""

import time
from collections.abc import Generator
from typing import Any

import pytest

from service import server_errors as errors
from service.errors import (
    CallerError,
    DeadlineExceeded,
    ModelFailed,
    ModelServerFailed,
    ModelServerUnavailable,
    QueueFull,
)
from service.metrics import Metrics
from service.server_errors import ServerError
from service.upstream import Upstream


class Way:
    """An upstream, its metrics, and a server that does what it is told."""

    def __init__(self, *does: Any, failures: int = 5, patience_seconds: float = 1) -> None:
        metrics = Metrics()
        self.registry = metrics.registry
        self.upstream = Upstream(metrics, failures=failures, patience_seconds=patience_seconds)
        self.does = list(does)
        self.given: list[float] = []

    def ask(self, seconds: float) -> Any:
        self.given.append(seconds)
        does = self.does.pop(0)
        if isinstance(does, Exception):
            raise does
        return does

    def stream(self, seconds: float) -> Generator[Any]:
        for does in self.ask(seconds):
            if isinstance(does, Exception):
                raise does
            yield does

    def call(self, seconds: float = 10) -> Any:
        return self.upstream.call(self.ask, deadline=time.monotonic() + seconds)

    def figure(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"service_model_server_{name}", labels) or 0.0


AGAIN = [errors.Unreachable("gone"), errors.Busy("full"), errors.Failed("raised")]


@pytest.mark.parametrize("error", AGAIN, ids=repr)
def test_what_another_try_may_mend_is_asked_again(error: ServerError) -> None:
    way = Way(error, error, "answer")

    assert way.call() == "answer"
    assert way.figure("retries_total") == 2
    assert way.figure("calls_total", outcome=type(error).__name__) == 2
    assert way.figure("calls_total", outcome="ok") == 1


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
    way = Way(*[error] * 3)

    with pytest.raises(CallerError) as caught:
        way.call()

    assert type(caught.value) is told
    assert caught.value.retry_after_seconds == retry_after
    assert "10.0.0.1" not in caught.value.detail
    assert len(way.given) == (3 if error.may_ask_again else 1)


def test_all_tries_share_one_deadline() -> None:
    way = Way(*[errors.Busy("full")] * 2, "answer")

    way.call(seconds=2)

    assert 2 > way.given[0] > way.given[1] > way.given[2] > 0


def test_no_try_begins_past_the_deadline() -> None:
    way = Way("answer")
    with pytest.raises(DeadlineExceeded):
        way.call(seconds=-1)
    assert way.given == []


def test_a_retry_for_which_there_is_no_time_is_not_begun() -> None:
    way = Way(errors.Busy("full"), "answer")
    started = time.monotonic()

    with pytest.raises(QueueFull):
        way.call(seconds=0.02)

    assert time.monotonic() - started < 0.5
    assert len(way.given) == 1


def test_retries_end_when_their_budget_is_used_up() -> None:
    way = Way(*[errors.Busy("full")] * 40)
    for _ in range(20):
        with pytest.raises(QueueFull):
            way.call()

    assert way.figure("retries_total") == 10
    assert len(way.given) == 30


def test_failures_in_a_row_open_the_circuit_and_nothing_more_is_asked() -> None:
    way = Way(*[errors.Garbage("?")] * 3, failures=3)
    for _ in range(3):
        with pytest.raises(ModelServerFailed):
            way.call()

    with pytest.raises(ModelServerUnavailable) as caught:
        way.call()

    assert caught.value.retry_after_seconds == 1
    assert len(way.given) == 3


@pytest.mark.parametrize("error", [errors.Busy("full"), errors.InputFailed("?")], ids=repr)
def test_what_says_nothing_of_the_servers_health_does_not_open_it(error: ServerError) -> None:
    way = Way(*[error] * 20, failures=2)
    for _ in range(5):
        with pytest.raises(CallerError):
            way.call()

    assert not way.upstream.breaker.is_open


def test_a_caller_in_a_hurry_does_not_open_the_circuit_and_a_patient_one_does() -> None:
    way = Way(*[errors.TimedOut("late")] * 3, failures=1)
    with pytest.raises(DeadlineExceeded):
        way.call(seconds=0.5)
    assert not way.upstream.breaker.is_open

    with pytest.raises(DeadlineExceeded):
        way.call(seconds=2)
    assert way.upstream.breaker.is_open


def test_a_stream_is_asked_for_again_before_its_first_item_alone() -> None:
    gone = errors.Unreachable("gone")
    way = Way([gone], [gone], ["a", "b"])
    items = way.upstream.stream(way.stream, deadline=time.monotonic() + 10)
    assert list(items) == ["a", "b"]

    way = Way(["a", gone], ["a", "b"])
    items = way.upstream.stream(way.stream, deadline=time.monotonic() + 10)
    assert next(items) == "a"
    with pytest.raises(ModelServerUnavailable):
        next(items)
    assert len(way.given) == 1
    assert way.figure("calls_total", outcome="Unreachable") == 1


def test_a_stream_that_is_closed_closes_the_servers() -> None:
    closed = []

    def forever(_seconds: float) -> Generator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    items = Way().upstream.stream(forever, deadline=time.monotonic() + 10)
    next(items)
    items.close()

    assert closed == [True]
