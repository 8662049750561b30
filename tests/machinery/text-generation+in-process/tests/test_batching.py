"""The executor: what runs side by side, in which order, and what happens to what cannot run."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from decoders import END, NOT_A_NUMBER, POISON, Remembering, expected, plain, prompt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from service.batching import ContinuousBatcher
from service.errors import CallerError, DeadlineExceeded, ModelFailed, NotReady, QueueFull
from service.metrics import Metrics
from service.settings import Settings
from service.texts import Answers, Prompt

LONG = 10_000
"""Tokens of an answer that does not end while a test runs."""


@dataclass
class Running:
    batcher: ContinuousBatcher
    model: Remembering
    metrics: Metrics
    failures: list[Exception]

    def submit(self, *prompts: Prompt, seconds: float = 10) -> Answers:
        return self.batcher.submit(prompts, deadline=time.monotonic() + seconds)

    def hold(self) -> Answers:
        """Occupy a row, and let the model not come back from a step."""
        self.model.gate.clear()
        self.model.entered.clear()
        answers = self.submit(ENDLESS)
        assert self.model.entered.wait(5)
        return answers

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"service_{name}", labels) or 0.0


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def make(**options: Any) -> Running:
        model = Remembering(rows=options.get("max_running", 4))
        metrics = Metrics()
        failures: list[Exception] = []
        chosen: dict[str, Any] = {
            "max_running": 4,
            "max_queued": 8,
            "prefill_tokens": 8,
            "prepare": lambda: model,
        }
        batcher = ContinuousBatcher(
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
    wait_for(lambda: running.batcher.is_ready)
    return running


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Failing steps are logged with their tracebacks, which takes long."""
    with capture_logs():
        yield


def some_prompt(length: int, first: int = 1) -> Prompt:
    """A prompt that begins with *first*, and whose answer has *length* tokens exactly."""
    for second in range(1, 30):
        for third in range(1, 30):
            asked = prompt(first, second, third, max_new_tokens=length)
            if len(expected(asked)) == length + 1 and expected(asked)[-1] == "length":
                return asked
    raise AssertionError("There is none.")


ENDLESS = some_prompt(60)
"""Runs long enough for others to come and go."""


def collect(answers: Answers, seconds: float = 5) -> list[list[object]]:
    """All that is given to each prompt of one request."""
    came: list[list[object]] = [[] for _ in answers.each]
    unfinished = len(came)
    while unfinished:
        item = answers.take(seconds)
        assert item is not None, "Nothing comes."
        came[item[0]].append(item[1])
        unfinished -= isinstance(item[1], str)
    return came


def error_of(answers: Answers) -> CallerError:
    """The error with which an answer ends."""
    with pytest.raises(CallerError) as raised:
        collect(answers)
    return raised.value


def test_a_prompt_is_answered_token_by_token(running: Running) -> None:
    asked = some_prompt(5)

    assert collect(running.submit(asked)) == [expected(asked)]
    # The prompt at once, then one token at a time; the last is never read.
    assert running.model.steps == [(0, 1, 3), *[(0, 1, 1)] * 4]


def test_a_sequence_ends_with_a_token_that_is_no_part_of_it(running: Running) -> None:
    asked = next(
        asked
        for token in range(1, 30)
        if expected(asked := prompt(token, max_new_tokens=50))[-1] == "stop"
    )

    (came,) = collect(running.submit(asked))

    assert came[-1] == "stop"
    assert END not in came


def test_the_prompts_of_a_request_run_side_by_side(running: Running) -> None:
    prompts = [some_prompt(6, first) for first in (1, 2, 3, 4)]

    assert collect(running.submit(*prompts)) == [expected(each) for each in prompts]
    assert (0, 4, 1) in running.model.steps


def test_sequences_join_and_leave_while_others_run(running: Running) -> None:
    long = running.hold()
    others = [running.submit(some_prompt(count, count + 1)) for count in (2, 9, 4, 7, 3, 1)]
    running.model.gate.set()

    for count, answers in zip((2, 9, 4, 7, 3, 1), others, strict=True):
        assert collect(answers) == [expected(some_prompt(count, count + 1))]
    assert collect(long) == [expected(ENDLESS)]
    assert max(rows for _, rows, _ in running.model.steps) == 4
    assert running.count("step_failures_total") == 0


def test_rows_move_while_a_prompt_is_being_read(start: Callable[..., Running]) -> None:
    running = start(prefill_tokens=2)
    wait_for(lambda: running.batcher.is_ready)
    held = running.hold()
    short = [running.submit(some_prompt(count, count)) for count in (6, 9)]
    long_prompt = prompt(*range(1, 30), max_new_tokens=4)
    long = running.submit(long_prompt)
    running.model.gate.set()

    assert collect(long) == [expected(long_prompt)]
    assert [collect(each) for each in short] == [
        [expected(some_prompt(count, count))] for count in (6, 9)
    ]
    assert collect(held) == [expected(ENDLESS)]
    # It was read in the row behind the others, which came down as they left.
    assert {first_row for first_row, _, new in running.model.steps if new == 2} >= {3, 2, 1}


def test_a_round_reads_no_more_of_prompts_than_its_share(start: Callable[..., Running]) -> None:
    running = start(prefill_tokens=4)
    wait_for(lambda: running.batcher.is_ready)
    held = running.hold()
    running.model.steps.clear()
    long_prompt = prompt(*range(1, 12), max_new_tokens=1)  # 11 tokens
    long = running.submit(long_prompt)
    running.model.gate.set()

    assert collect(long) == [expected(long_prompt)]
    collect(held)
    assert running.model.steps[:7] == [
        (0, 1, 3),  # the prompt of the one that runs
        (1, 1, 1),  # what is left of the share of four
        (0, 1, 1),
        (1, 1, 4),
        (0, 1, 1),
        (1, 1, 4),
        (0, 1, 1),
    ]
    assert running.model.steps[7] == (1, 1, 2)


def test_several_short_prompts_are_read_in_one_round(running: Running) -> None:
    held = running.hold()
    running.model.steps.clear()
    others = running.submit(*[some_prompt(6, first) for first in (1, 2, 3)])
    running.model.gate.set()
    collect(others)
    collect(held)

    # Eight tokens are a round's share.
    assert running.model.steps[:7] == [
        (0, 1, 3),
        (1, 1, 3),
        (2, 1, 2),
        (0, 2, 1),
        (2, 1, 1),
        (3, 1, 3),
        (0, 4, 1),
    ]


def test_prompts_are_begun_in_order_of_arrival(start: Callable[..., Running]) -> None:
    running = start(max_running=1)
    wait_for(lambda: running.batcher.is_ready)
    held = running.hold()
    others = [running.submit(some_prompt(3, first)) for first in (5, 3, 4)]
    seen = []
    for number, answers in enumerate(others):
        answers.each[0].put = lambda _item, number=number: seen.append(number)  # type: ignore[method-assign,misc]
    running.model.gate.set()
    collect(held)
    wait_for(lambda: len(seen) == 12)

    assert seen == [0] * 4 + [1] * 4 + [2] * 4


def test_a_sequence_on_which_the_model_raises_fails_alone(running: Running) -> None:
    held = running.hold()
    spoilt = running.submit(prompt(POISON, *range(1, 9)))
    spoilt_later = running.submit(prompt(POISON, 1, 2, 3, 4, max_new_tokens=50))
    good = running.submit(some_prompt(9))
    running.model.gate.set()

    assert isinstance(error_of(spoilt), ModelFailed)
    assert isinstance(error_of(spoilt_later), ModelFailed)
    assert collect(good) == [expected(some_prompt(9))]
    assert collect(held) == [expected(ENDLESS)]
    assert running.count("sequences_total", ending="failed") == 2


def test_a_sequence_whose_logits_are_no_numbers_fails_alone(running: Running) -> None:
    held = running.hold()
    spoilt = running.submit(prompt(NOT_A_NUMBER, 1, 2, 3, 4, max_new_tokens=50))
    good = running.submit(some_prompt(9))
    running.model.gate.set()

    assert isinstance(error_of(spoilt), ModelFailed)
    assert collect(good) == [expected(some_prompt(9))]
    assert collect(held) == [expected(ENDLESS)]


def test_prompts_that_find_no_place_are_refused_all_together(running: Running) -> None:
    running.hold()
    running.submit(*[prompt(1)] * 7)

    with pytest.raises(QueueFull, match="7 inputs wait"):
        running.submit(prompt(1), prompt(2))
    running.submit(prompt(1))
    with pytest.raises(QueueFull) as refused:
        running.submit(prompt(1))
    assert refused.value.retry_after_seconds == 1
    assert running.count("shed_inputs_total", reason="queue_full") == 3


def test_the_time_to_come_back_grows_with_the_measured_time_of_a_sequence(
    start: Callable[..., Running],
) -> None:
    running = start(max_running=1)
    wait_for(lambda: running.batcher.is_ready)
    running.model.gate.clear()
    slow = running.submit(prompt(1, max_new_tokens=1))
    assert running.model.entered.wait(5)
    time.sleep(0.6)
    running.model.gate.set()
    collect(slow)
    running.hold()
    running.submit(*[prompt(1)] * 8)

    with pytest.raises(QueueFull) as refused:
        running.submit(prompt(1))
    assert refused.value.retry_after_seconds is not None
    assert 4 <= refused.value.retry_after_seconds <= 20  # 8 wait, about 0.6 s each


def test_a_prompt_past_its_deadline_is_dropped_and_never_read(running: Running) -> None:
    held = running.hold()
    late = running.submit(prompt(7, 7, 7, 7, 7), seconds=0.01)
    in_time = running.submit(some_prompt(3))
    time.sleep(0.05)
    running.model.gate.set()

    assert isinstance(error_of(late), DeadlineExceeded)
    assert collect(in_time) == [expected(some_prompt(3))]
    collect(held)
    assert 5 not in {new for _, _, new in running.model.steps}
    assert running.count("shed_inputs_total", reason="deadline") == 1


def test_a_sequence_past_its_deadline_frees_its_row(running: Running) -> None:
    slow_down(running.model, 0.01)
    late = running.submit(ENDLESS, seconds=0.1)

    assert isinstance(error_of(late), DeadlineExceeded)
    wait_for(lambda: running.count("running_sequences") == 0)
    assert running.count("sequences_total", ending="deadline") == 1


def test_a_deadline_is_kept_when_the_model_does_not_come_back(running: Running) -> None:
    running.hold()
    started = time.monotonic()
    late = running.submit(prompt(1), seconds=0.1)

    assert isinstance(error_of(late), DeadlineExceeded)
    assert time.monotonic() - started < 1


def test_nothing_comes_for_a_while_and_then_something(running: Running) -> None:
    held = running.hold()

    assert held.take(0.01) is None
    running.model.gate.set()
    assert held.take(5) == (0, expected(ENDLESS)[0])


@pytest.mark.parametrize(("end", "ending"), [("cancel", "cancelled"), ("stop", "stop")])
def test_a_sequence_that_nobody_waits_for_frees_its_row_within_a_step(
    running: Running, end: str, ending: str
) -> None:
    held = running.hold()
    getattr(held.each[0], end)()
    before = len(running.model.steps)
    running.model.gate.set()
    wait_for(lambda: running.count("sequences_total", ending=ending) == 1)

    # Reading the prompt, and at most the step in which it was given up.
    assert len(running.model.steps) - before <= 2
    assert running.count("running_sequences") == 0
    assert running.count("shed_inputs_total", reason="cancelled") == 0


def test_a_prompt_that_is_being_read_can_be_given_up(start: Callable[..., Running]) -> None:
    running = start(prefill_tokens=1)
    wait_for(lambda: running.batcher.is_ready)
    running.model.gate.clear()
    gone = running.submit(prompt(*range(1, 30)))
    assert running.model.entered.wait(5)
    gone.cancel()
    running.model.gate.set()

    assert collect(running.submit(some_prompt(3))) == [expected(some_prompt(3))]
    assert len(running.model.steps) < 10


def test_a_cancelled_prompt_in_the_queue_is_never_read(running: Running) -> None:
    held = running.hold()
    gone = running.submit(prompt(7, 7, 7, 7, 7))
    gone.cancel()
    running.model.gate.set()
    collect(held)

    assert 5 not in {new for _, _, new in running.model.steps}
    assert running.count("shed_inputs_total", reason="cancelled") == 1


def test_nothing_is_taken_before_the_model_is_there(start: Callable[..., Running]) -> None:
    may_load = threading.Event()
    model = Remembering(rows=4)

    def prepare() -> Remembering:
        may_load.wait(10)
        return model

    running = start(prepare=prepare)
    assert not running.batcher.is_ready
    assert running.batcher.busy_seconds == 0
    with pytest.raises(NotReady):
        running.submit(prompt(1))
    may_load.set()
    wait_for(lambda: running.batcher.is_ready)
    assert collect(running.submit(some_prompt(3))) == [expected(some_prompt(3))]


def test_a_model_that_cannot_be_made_is_told_once_and_ends_the_thread(
    start: Callable[..., Running],
) -> None:
    def prepare() -> Remembering:
        raise RuntimeError("no weights")

    running = start(prepare=prepare)
    wait_for(lambda: not running.batcher.is_alive)

    assert [str(error) for error in running.failures] == ["no weights"]
    with pytest.raises(NotReady):
        running.submit(prompt(1))


def test_an_executor_that_has_ended_takes_nothing_more(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr(running.model, "move", fail)
    running.submit(some_prompt(2), some_prompt(9))
    wait_for(lambda: not running.batcher.is_alive)

    assert not running.batcher.is_ready
    with pytest.raises(NotReady):
        running.submit(prompt(1))


def test_closing_finishes_what_runs_and_waits_and_takes_no_more(running: Running) -> None:
    held = running.hold()
    prompts = [some_prompt(3, first) for first in range(1, 7)]
    waiting = [running.submit(each) for each in prompts]
    closing = threading.Thread(target=running.batcher.close)
    closing.start()
    wait_for(lambda: not running.batcher.is_ready)
    with pytest.raises(NotReady):
        running.submit(prompt(3))
    running.model.gate.set()
    closing.join(5)

    assert collect(held, 0) == [expected(ENDLESS)]
    assert [collect(each, 0) for each in waiting] == [[expected(each)] for each in prompts]
    assert not running.batcher.is_alive


def test_how_long_a_step_takes_is_known(running: Running) -> None:
    running.hold()
    time.sleep(0.05)

    assert running.batcher.busy_seconds >= 0.05
    running.model.gate.set()
    wait_for(lambda: running.batcher.busy_seconds == 0)


def test_tokens_are_counted(running: Running) -> None:
    collect(running.submit(some_prompt(5), some_prompt(2)))

    assert running.count("prompt_tokens_total") == 6
    assert running.count("generated_tokens_total") == 7
    assert running.count("first_token_seconds_count") == 2
    assert running.count("sequences_total", ending="length") == 2
    assert running.count("queue_wait_seconds_count") == 2


def test_many_threads_get_their_own_answers(start: Callable[..., Running]) -> None:
    running = start(max_queued=100, prefill_tokens=3)
    wait_for(lambda: running.batcher.is_ready)
    wrong = []

    def ask(first: int) -> None:
        for count in range(1, 12):
            asked = prompt(first, count, max_new_tokens=count)
            came = collect(running.submit(asked))
            if came != [expected(asked)]:
                wrong.append((asked, came))

    threads = [threading.Thread(target=ask, args=(first,)) for first in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert max(rows for _, rows, _ in running.model.steps) > 1


@given(
    prompts=st.lists(
        st.builds(
            lambda tokens, most: prompt(*tokens, max_new_tokens=most),
            st.lists(st.integers(1, NOT_A_NUMBER), min_size=1, max_size=15),
            st.integers(1, 15),
        ),
        min_size=1,
        max_size=12,
    ),
    max_running=st.integers(1, 4),
    prefill_tokens=st.integers(1, 9),
    patience=st.lists(st.integers(0, 15), min_size=12, max_size=12),
)
@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_each_sequence_has_its_own_history_whoever_leaves_when(
    start: Callable[..., Running],
    prompts: list[Prompt],
    max_running: int,
    prefill_tokens: int,
    patience: list[int],
) -> None:
    """Some callers leave after as many tokens as they have *patience* for."""
    running = start(max_running=max_running, prefill_tokens=prefill_tokens, max_queued=20)
    wait_for(lambda: running.batcher.is_ready)
    asked = [running.submit(each) for each in prompts]

    for each, answers, most in zip(prompts, asked, patience, strict=False):
        came: list[object] = []
        while len(came) < most and (not came or isinstance(came[-1], int)):
            try:
                item = answers.take(5)
                assert item is not None, "Nothing comes."
                came.append(item[1])
            except ModelFailed as error:
                came.append(plain(error))
        answers.cancel()
        assert came == expected(each)[: len(came)]
    running.batcher.close()
    assert running.count("running_sequences") == 0


def test_there_are_threads_for_probes_when_the_queue_is_full() -> None:
    defaults = Settings(_env_file=None)

    assert defaults.http_threads > defaults.max_running_sequences + defaults.max_queued_inputs


def slow_down(model: Remembering, seconds: float) -> None:
    """Let each step of *model* take some time."""
    step = model.step

    def slow(*arguments: Any) -> Any:
        time.sleep(seconds)
        return step(*arguments)

    model.step = slow  # type: ignore[assignment,method-assign]


def wait_for(condition: Callable[[], bool], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "It did not come to pass."
        time.sleep(0.002)
