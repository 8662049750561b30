"""The executor: what runs together, in which order, and what happens to what cannot run."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from service.batching import Answer, MicroBatcher
from service.errors import DeadlineExceeded, ModelFailed, NotReady, QueueFull
from service.metrics import Metrics


@dataclass
class Doubler:
    """Doubles numbers; 13 makes it raise."""

    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)
    batches: list[list[int]] = field(default_factory=list)

    def __call__(self, values: Sequence[int]) -> list[int]:
        self.entered.set()
        self.gate.wait(10)
        self.batches.append(list(values))
        if 13 in values:
            raise ValueError("unlucky")
        return [2 * value for value in values]


@dataclass
class Running:
    batcher: MicroBatcher[int, int]
    model: Doubler
    metrics: Metrics
    failures: list[Exception]

    def submit(self, *values: int, seconds: float = 10) -> list[Answer[int]]:
        return self.batcher.submit(values, deadline=time.monotonic() + seconds)

    def hold(self) -> Answer[int]:
        """Occupy the model, so that what comes next waits."""
        self.model.gate.clear()
        self.model.entered.clear()
        (answer,) = self.submit(0)
        assert self.model.entered.wait(5)
        return answer


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def make(**options: Any) -> Running:
        model = Doubler()
        model.gate.set()
        metrics = Metrics()
        failures: list[Exception] = []
        chosen: dict[str, Any] = {
            "kind": lambda _: 0,
            "max_batch_size": 4,
            "max_queued": 8,
            "prepare": lambda: model,
        }
        batcher = MicroBatcher[int, int](
            **{**chosen, **options}, metrics=metrics, on_failure=failures.append
        )
        batcher.start()
        running = Running(batcher, model, metrics, failures)
        started.append(running)
        return running

    yield make
    for each in started:
        each.model.gate.set()
        each.batcher.close()


@pytest.fixture
def running(start: Callable[..., Running]) -> Running:
    running = start()
    wait_until_ready(running)
    return running


def test_an_answer_comes_back_for_each_value_in_order(running: Running) -> None:
    answers = running.submit(1, 2, 3)

    assert [answer.result(5) for answer in answers] == [2, 4, 6]


def test_a_lone_value_runs_at_once(running: Running) -> None:
    started = time.monotonic()

    running.submit(1)[0].result(5)

    assert time.monotonic() - started < 1
    assert running.model.batches == [[1]]


def test_what_waits_runs_together_up_to_the_largest_batch(running: Running) -> None:
    held = running.hold()
    answers = [running.submit(value)[0] for value in range(1, 7)]
    running.model.gate.set()

    assert [answer.result(5) for answer in (held, *answers)] == [0, 2, 4, 6, 8, 10, 12]
    assert running.model.batches == [[0], [1, 2, 3, 4], [5, 6]]


def test_an_answer_knows_its_wait_and_its_run(running: Running) -> None:
    held = running.hold()
    first = running.submit(1)[0]
    time.sleep(0.05)
    poisoned, second = running.submit(13)[0], running.submit(2)[0]
    running.model.gate.set()

    for answer in (held, first, second):
        answer.result(5)
    assert (held.times["batch"], held.times["queue_milliseconds"] < 40) == (1, True)
    assert first.times["queue_milliseconds"] - second.times["queue_milliseconds"] >= 40
    assert held.times["model_milliseconds"] > first.times["model_milliseconds"] >= 0
    assert first.times["batch"] == 1  # alone, after the batch with the poisoned one
    assert isinstance(poisoned.exception(5), ModelFailed)
    assert poisoned.times.keys() == {"queue_milliseconds"}


def test_only_values_of_one_kind_share_a_batch(start: Callable[..., Running]) -> None:
    running = start(kind=lambda value: value % 2)
    wait_until_ready(running)
    running.hold()
    answers = running.submit(1, 2, 3, 4)
    running.model.gate.set()

    assert [answer.result(5) for answer in answers] == [2, 4, 6, 8]
    assert running.model.batches == [[0], [1, 3], [2, 4]]


def test_a_value_that_makes_the_model_raise_fails_alone(running: Running) -> None:
    running.hold()
    answers = running.submit(1, 13, 3)
    running.model.gate.set()

    assert (answers[0].result(5), answers[2].result(5)) == (2, 6)
    with pytest.raises(ModelFailed):
        answers[1].result(5)
    assert running.model.batches == [[0], [1, 13, 3], [1], [13], [3]]


def test_a_model_that_loses_outputs_fails(start: Callable[..., Running]) -> None:
    running = start(prepare=lambda: lambda _: [])
    wait_until_ready(running)

    with pytest.raises(ModelFailed):
        running.submit(1)[0].result(5)


def test_values_that_find_no_place_are_refused_all_together(running: Running) -> None:
    running.hold()
    running.submit(*range(7))

    with pytest.raises(QueueFull, match="7 inputs wait"):
        running.submit(1, 2)
    running.submit(1)
    with pytest.raises(QueueFull) as refused:
        running.submit(1)
    assert refused.value.retry_after_seconds == 1
    shed = running.metrics.registry.get_sample_value(
        "service_shed_inputs_total", {"reason": "queue_full"}
    )
    assert shed == 3


def test_the_time_to_come_back_grows_with_the_measured_time_of_a_run(running: Running) -> None:
    held = running.hold()
    time.sleep(0.6)
    running.model.gate.set()
    held.result(5)
    wait_for(lambda: running.batcher.busy_seconds == 0)
    running.hold()
    running.submit(*range(8))

    with pytest.raises(QueueFull) as refused:
        running.submit(1)
    assert refused.value.retry_after_seconds is not None
    assert 4 <= refused.value.retry_after_seconds <= 20  # 8 wait, about 0.6 s each


def test_a_value_past_its_deadline_is_dropped_and_never_run(running: Running) -> None:
    running.hold()
    (late,) = running.submit(7, seconds=0.01)
    (in_time,) = running.submit(8)
    time.sleep(0.05)
    running.model.gate.set()

    with pytest.raises(DeadlineExceeded):
        late.result(5)
    assert in_time.result(5) == 16
    assert running.model.batches == [[0], [8]]


def test_a_cancelled_value_is_never_run(running: Running) -> None:
    running.hold()
    (gone,) = running.submit(7)
    gone.cancel()
    (staying,) = running.submit(8)
    running.model.gate.set()

    assert staying.result(5) == 16
    assert running.model.batches == [[0], [8]]


def test_nothing_is_taken_before_the_model_is_there(start: Callable[..., Running]) -> None:
    may_load = threading.Event()
    model = Doubler()
    model.gate.set()

    def prepare() -> Doubler:
        may_load.wait(10)
        return model

    running = start(prepare=prepare)
    assert not running.batcher.is_ready
    with pytest.raises(NotReady):
        running.submit(1)
    may_load.set()
    wait_until_ready(running)
    assert running.submit(1)[0].result(5) == 2


def test_a_model_that_cannot_be_made_is_told_once_and_ends_the_thread(
    start: Callable[..., Running],
) -> None:
    def prepare() -> Doubler:
        raise RuntimeError("no weights")

    running = start(prepare=prepare)
    wait_for(lambda: not running.batcher.is_alive)

    assert [str(error) for error in running.failures] == ["no weights"]


def test_closing_answers_what_waits_and_takes_no_more(running: Running) -> None:
    running.hold()
    answers = running.submit(1, 2)
    closing = threading.Thread(target=running.batcher.close)
    closing.start()
    wait_for(lambda: not running.batcher.is_ready)
    with pytest.raises(NotReady):
        running.submit(3)
    running.model.gate.set()
    closing.join(5)

    assert [answer.result(0) for answer in answers] == [2, 4]
    assert not running.batcher.is_alive


def test_many_threads_get_their_own_answers(running: Running) -> None:
    wrong = []

    def ask(start_value: int) -> None:
        for value in range(start_value, start_value + 50):
            answer = running.submit(value)[0].result(5)
            if answer != 2 * value:
                wrong.append((value, answer))

    threads = [threading.Thread(target=ask, args=(100 * i + 100,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert sum(map(len, running.model.batches)) == 300


def wait_until_ready(running: Running) -> None:
    wait_for(lambda: running.batcher.is_ready)


def wait_for(condition: Callable[[], bool], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "It did not come to pass."
        time.sleep(0.002)


def test_what_is_taken_in_is_answered_before_its_deadline(start: Callable[..., Running]) -> None:
    """At three times what the model does, asked one by one."""
    seconds_per_input, patience = 0.02, 0.4

    def run(values: Sequence[int]) -> list[int]:
        time.sleep(seconds_per_input * len(values))
        return list(values)

    running = start(prepare=lambda: run, max_queued=1000)
    wait_until_ready(running)
    running.submit(0)[0].result(5)  # how long the model takes is measured
    late: list[float] = []
    taken = refused = 0
    for _ in range(200):
        time.sleep(seconds_per_input / 3)
        deadline = time.monotonic() + patience
        try:
            (answer,) = running.batcher.submit([1], deadline=deadline)
        except QueueFull:
            refused += 1
            continue
        taken += 1

        def note(answer: Answer[int], deadline: float = deadline) -> None:
            if answer.exception() or time.monotonic() > deadline:
                late.append(time.monotonic() - deadline)

        answer.add_done_callback(note)  # type: ignore[arg-type]  # a future of that kind
    answer.result(5)

    assert refused > taken / 2
    assert taken > 40  # of about 65 that the model does in that time
    assert len(late) <= 0.4 * taken, late  # of a machine that does other things, too


def test_a_model_that_was_slow_once_is_asked_again_when_it_is_idle(running: Running) -> None:
    held = running.hold()
    time.sleep(0.5)
    running.model.gate.set()
    held.result(5)
    wait_for(lambda: running.batcher.busy_seconds == 0)

    assert running.submit(1, seconds=0.3)[0].result(5) == 2


def test_what_cannot_have_its_turn_in_time_is_refused(start: Callable[..., Running]) -> None:
    running = start(max_batch_size=1)
    wait_until_ready(running)
    held = running.hold()
    time.sleep(0.5)  # the model takes so long for an input
    running.model.gate.set()
    held.result(5)
    running.hold()
    running.submit(1, 2, 3, 4)

    with pytest.raises(QueueFull) as refused:
        running.submit(5, seconds=1)
    assert (refused.value.retry_after_seconds or 0) >= 2
    running.submit(5, seconds=10)
