"""Logits -> the next token: numbers worked out by hand."""

import math
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import ModelFailed
from service.sampling import Sampler, Sampling

LOGITS = np.log(np.array([0.5, 0.3, 0.15, 0.05], np.float32))
"""Four tokens; at temperature 1 these are their probabilities."""


def draws(
    count: int = 2000,
    *,
    logits: npt.NDArray[np.float32] = LOGITS,
    **options: Any,
) -> dict[int, float]:
    """How often each token is drawn as the first of an answer."""
    found = Counter(
        Sampler(Sampling(**{"temperature": 1.0, "seed": seed, **options}), [], len(logits)).choose(
            logits
        )
        for seed in range(count)
    )
    return {token: times / count for token, times in found.items()}


def greedy(logits: list[float], prompt: list[int], count: int = 1, **options: Any) -> list[int]:
    """The first tokens of an answer, the most likely each time."""
    sampler = Sampler(Sampling(**options), prompt, len(logits))
    return [sampler.choose(np.array(logits, np.float32)) for _ in range(count)]


def test_without_temperature_the_most_likely_token_is_taken() -> None:
    assert greedy([0, 3, 2], []) == [1]


def test_of_equally_likely_tokens_the_first_is_taken() -> None:
    assert greedy([1, 7, 7, 7], []) == [1]


def test_tokens_come_as_often_as_they_are_likely() -> None:
    found = draws()

    assert found == pytest.approx({0: 0.5, 1: 0.3, 2: 0.15, 3: 0.05}, abs=0.03)


def test_a_high_temperature_evens_the_odds_and_a_low_one_sharpens_them() -> None:
    # p ** (1 / t), added up to 1: for t = 2 the roots, for t = 0.5 the squares.
    roots = np.sqrt([0.5, 0.3, 0.15, 0.05])
    squares = np.square([0.5, 0.3, 0.15, 0.05])

    assert draws(temperature=2.0) == pytest.approx(dict(enumerate(roots / sum(roots))), abs=0.03)
    assert draws(temperature=0.5) == pytest.approx(
        dict(enumerate(squares / sum(squares))), abs=0.03
    )


@pytest.mark.parametrize("temperature", [1e-3, 1e-30, 1e-300, 5e-324])
def test_a_tiny_temperature_takes_the_most_likely_token(temperature: float) -> None:
    assert draws(50, temperature=temperature) == {0: 1.0}


def test_equally_likely_tokens_stay_so_at_any_temperature() -> None:
    equal = np.array([4, 4, 1], np.float32)

    assert draws(temperature=5e-324, logits=equal) == pytest.approx({0: 0.5, 1: 0.5}, abs=0.04)


def test_top_k_leaves_the_most_likely_tokens() -> None:
    assert draws(top_k=2) == pytest.approx({0: 0.625, 1: 0.375}, abs=0.03)  # 0.5 / 0.8, 0.3 / 0.8
    assert draws(200, top_k=1) == {0: 1.0}
    assert set(draws(top_k=99)) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [
        (1e-9, {0}),
        (0.49, {0}),
        (0.51, {0, 1}),
        (0.79, {0, 1}),
        (0.81, {0, 1, 2}),
        (0.96, {0, 1, 2, 3}),
        (1.0, {0, 1, 2, 3}),
    ],
)
def test_top_p_leaves_the_fewest_tokens_that_reach_it(top_p: float, kept: set[int]) -> None:
    assert set(draws(600, top_p=top_p)) == kept


def test_top_p_counts_what_top_k_has_left() -> None:
    # Of tokens 0 and 1 alone, the first has 0.625.
    assert set(draws(600, top_k=2, top_p=0.62)) == {0}
    assert set(draws(600, top_k=2, top_p=0.63)) == {0, 1}


def test_a_token_that_may_not_come_does_not_come() -> None:
    logits = np.array([0, -np.inf, 0], np.float32)

    assert set(draws(300, logits=logits)) == {0, 2}
    assert set(draws(300, logits=logits, repetition_penalty=0.5, presence_penalty=-2.0)) == {0, 2}


def test_a_repetition_penalty_divides_what_is_over_zero_and_multiplies_what_is_below() -> None:
    # 3 / 2 = 1.5 falls behind 2; -1 * 2 = -2 falls behind -1.5.
    assert greedy([3, 2], [0], repetition_penalty=2) == [1]
    assert greedy([-1, -1.5], [0], repetition_penalty=2) == [1]
    assert greedy([3, 1.4], [0], repetition_penalty=2) == [0]
    assert greedy([2, 3], [0], repetition_penalty=0.5) == [0]


def test_a_repetition_penalty_counts_the_answers_own_tokens_too() -> None:
    assert greedy([3, 2, 1.6], [], 3, repetition_penalty=2) == [0, 1, 2]


def test_a_presence_penalty_is_taken_once_from_what_the_answer_has() -> None:
    # 3 - 1.5 = 1.5 falls behind 2, which falls to 0.5; then 1.5 is the most again and stays so.
    assert greedy([3, 2], [], 4, presence_penalty=1.5) == [0, 1, 0, 0]


def test_a_frequency_penalty_is_taken_each_time() -> None:
    # 3, 2, 1, 0 for token 0; 2.5, 1.5, 0.5 for token 1.
    assert greedy([3, 2.5], [], 5, frequency_penalty=1) == [0, 1, 0, 1, 0]


def test_presence_and_frequency_do_not_count_the_prompt() -> None:
    assert greedy([3, 2.9], [0, 0, 0], presence_penalty=2, frequency_penalty=2) == [0]


def test_the_same_seed_gives_the_same_tokens_and_another_gives_others() -> None:
    def tokens(seed: int | None) -> list[int]:
        sampler = Sampler(Sampling(temperature=1, seed=seed), [], 4)
        return [sampler.choose(LOGITS) for _ in range(60)]

    assert tokens(7) == tokens(7)
    assert tokens(7) != tokens(8)
    assert tokens(None) != tokens(None)
    assert tokens(2**63 - 1) == tokens(2**63 - 1)


@pytest.mark.parametrize("bad", [[math.nan, 1], [math.inf, 1], [-math.inf, -math.inf]])
@pytest.mark.parametrize("temperature", [0, 1])
def test_logits_that_are_no_scores_are_a_failure_of_the_model(
    bad: list[float], temperature: float
) -> None:
    with pytest.raises(ModelFailed):
        greedy(bad, [], temperature=temperature)


def test_a_large_vocabulary_is_cut_as_a_small_one() -> None:
    size = 50_000
    logits = np.zeros(size, np.float32)  # all equally likely, but for three
    logits[[40_000, 3, 20_000]] = [12, 11, 10]

    # e^12, e^11 and e^10 are 0.552, 0.203 and 0.075 of all; the others have 0.170 together.
    assert draws(300, logits=logits, top_k=1) == {40_000: 1.0}
    assert set(draws(300, logits=logits, top_k=3)) == {40_000, 3, 20_000}
    assert set(draws(300, logits=logits, top_p=0.55)) == {40_000}
    assert set(draws(300, logits=logits, top_p=0.75)) == {40_000, 3}
    assert set(draws(300, logits=logits, top_p=0.82)) == {40_000, 3, 20_000}
    assert len(draws(300, logits=logits, top_p=0.95)) > 20  # more than are looked at first
    assert len(draws(300, logits=logits, top_k=1000)) > 3


def kept_by_definition(
    logits: npt.NDArray[np.float32], temperature: float, top_k: int, top_p: float
) -> set[int]:
    """The tokens that may come, found by sorting all of them."""
    powers = np.exp((logits.astype(np.float64) - logits.max()) / temperature)
    ranked = np.argsort(-powers, kind="stable")[: top_k or len(logits)]
    shares = powers[ranked] / powers[ranked].sum()
    before = np.cumsum(shares) - shares
    return set(ranked[(before < top_p - 1e-9) | (np.arange(len(ranked)) == 0)].tolist())


@given(
    # equal or clearly different: what rounding makes equal has no order
    logits=st.lists(st.integers(-64, 64).map(lambda n: n / 8), min_size=1, max_size=600),
    temperature=st.floats(0.05, 2),
    top_k=st.integers(0, 700),
    top_p=st.floats(0.01, 1),
    seed=st.integers(0, 2**63 - 1),
)
def test_only_tokens_that_top_k_and_top_p_leave_are_chosen(
    logits: list[float], temperature: float, top_k: int, top_p: float, seed: int
) -> None:
    array = np.array(logits, np.float32)
    sampler = Sampler(
        Sampling(temperature=temperature, top_k=top_k, top_p=top_p, seed=seed), [], len(array)
    )
    may_come = kept_by_definition(array, temperature, top_k, min(1, top_p + 2e-9))

    assert {sampler.choose(array) for _ in range(5)} <= may_come
