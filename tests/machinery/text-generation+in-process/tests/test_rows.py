"""The rows of the decoder: whatever joins and leaves, each sequence has its own history."""

import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
from decoders import NOT_A_NUMBER, POISON, Remembering, expected, plain, prompt
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from structlog.testing import capture_logs

from service import generation
from service.errors import CallerError, ModelFailed
from service.generation import Rows
from service.metrics import Metrics
from service.texts import Answers, Prompt

MOST = 4


class Machine(RuleBasedStateMachine):
    """Lets sequences join, be read, run, and leave in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.decoder = Remembering(rows=MOST)
        self.rows = Rows(self.decoder, Metrics(), most=MOST, prefill_tokens=8)
        self.asked: list[tuple[Prompt, Answers, list[object]]] = []
        self.cancelled: set[int] = set()

    @precondition(lambda self: not self.rows.is_reading and self.rows.running < MOST)
    @rule(
        tokens=st.lists(st.integers(1, NOT_A_NUMBER), min_size=1, max_size=12),
        max_new_tokens=st.integers(1, 12),
    )
    def begin(self, tokens: list[int], max_new_tokens: int) -> None:
        asked = prompt(*tokens, max_new_tokens=max_new_tokens)
        answers = Answers([asked], time.monotonic() + 1000)
        self.asked.append((asked, answers, []))
        self.rows.begin(answers.each[0])

    @rule(most=st.integers(1, 5))
    def read(self, most: int) -> None:
        assert self.rows.read(most) <= most

    @rule()
    def advance(self) -> None:
        self.rows.advance()

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(0, len(self.asked) - 1))
        self.asked[number][1].cancel()
        self.cancelled.add(number)
        self.rows.drop_given_up()

    @invariant()
    def what_came_is_what_follows(self) -> None:
        for asked, answers, came in self.asked:
            came.extend(drain(answers))
            assert came == expected(asked)[: len(came)]
        ended = sum(
            number in self.cancelled or (bool(came) and not isinstance(came[-1], int))
            for number, (_, _, came) in enumerate(self.asked)
        )
        assert self.rows.running + self.rows.is_reading + ended == len(self.asked)

    @invariant()
    def a_row_that_is_free_is_given_back(self) -> None:
        assert self.decoder.rows_kept <= self.rows.running + self.rows.is_reading

    def teardown(self) -> None:
        """What is left comes to its end."""
        while self.rows.running or self.rows.is_reading:
            self.rows.read(100)
            self.rows.advance()
        for number, (asked, answers, came) in enumerate(self.asked):
            came.extend(drain(answers))
            if number not in self.cancelled:
                assert came == expected(asked)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Failing steps are logged with their tracebacks, which takes most of the time here."""
    with capture_logs():
        yield


def drain(answers: Answers) -> list[object]:
    """All that has come."""
    came: list[object] = []
    while True:
        try:
            item = answers.take(0)
        except CallerError as error:
            came.append(plain(error))
            continue
        if item is None:
            return came
        came.append(item[1])


TestRows = Machine.TestCase
TestRows.settings = settings(deadline=None, max_examples=100, stateful_step_count=60)


def test_a_failing_step_is_repeated_row_by_row() -> None:
    metrics = Metrics()
    decoder = Remembering(rows=3)
    rows = Rows(decoder, metrics, most=MOST, prefill_tokens=8)
    prompts = [prompt(1, 2), prompt(POISON, *range(1, 8)), prompt(3)]
    asked = [Answers([each], time.monotonic() + 10) for each in prompts]
    for answers in asked:
        rows.begin(answers.each[0])
        rows.read(100)
    decoder.steps.clear()

    rows.advance()

    assert decoder.steps == [(0, 3, 1), (0, 1, 1), (1, 1, 1), (2, 1, 1)]
    assert [drain(answers) for answers in asked] == [expected(each)[:2] for each in prompts]
    assert expected(prompts[1])[1] == ModelFailed
    assert metrics.registry.get_sample_value("service_step_failures_total") == 2
    assert metrics.registry.get_sample_value("service_sequences_total", {"ending": "failed"}) == 1


class Timed(Remembering):
    """Takes a second for each token, by its own clock."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def step(
        self, first_row: int, tokens: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Read *tokens*."""
        self.now += tokens.size
        return super().step(first_row, tokens, lengths)


@pytest.mark.parametrize(("others", "piece"), [(0, 90), (2, 8), (6, 12), (50, 90)])
def test_a_piece_of_a_long_prompt_takes_as_long_as_two_steps_of_the_others(
    others: int, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = Timed(rows=others + 1)
    monkeypatch.setattr(generation, "time", decoder)
    rows = Rows(decoder, Metrics(), most=others + 1, prefill_tokens=90)
    endless = [each for each in map(prompt, range(1, POISON)) if len(expected(each)) == 7]
    long = prompt(*[1, 2, 3] * 100)
    asked = [
        Answers([each], time.monotonic() + 10)
        for each in [*(endless[number % len(endless)] for number in range(others)), long]
    ]
    waiting = [answers.each[0] for answers in asked]
    for answer in waiting[:others]:
        rows.begin(answer)
        rows.read(1)
    rows.advance()
    decoder.steps.clear()

    rows.begin(waiting[-1])
    rows.round(lambda: None)

    assert decoder.steps[0] == (others, 1, piece)


@pytest.mark.parametrize("shape", [(1, 39), (2, 40), (40,), ()])
def test_logits_of_another_shape_are_a_failure_of_the_model(
    shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = Remembering(rows=1)
    monkeypatch.setattr(decoder, "step", lambda *_: np.zeros(shape, np.float32))
    rows = Rows(decoder, Metrics(), most=MOST, prefill_tokens=8)
    asked = prompt(1)
    answers = Answers([asked], time.monotonic() + 10)
    rows.begin(answers.each[0])
    rows.read(1)

    assert drain(answers) == [ModelFailed]
