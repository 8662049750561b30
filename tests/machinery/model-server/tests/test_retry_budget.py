"""Retries: some at once, then one for ten answers."""

from service.retry_budget import RetryBudget


def test_there_are_ten_at_the_start() -> None:
    budget = RetryBudget()

    assert [budget.take() for _ in range(11)] == [True] * 10 + [False]


def test_ten_answers_earn_one_and_a_half_earned_one_does_not_count() -> None:
    budget = RetryBudget()
    while budget.take():
        pass
    for _ in range(9):
        budget.earn()
    assert not budget.take()
    for _ in range(2):
        budget.earn()
    assert budget.take()
    assert not budget.take()


def test_no_more_than_ten_are_saved_up() -> None:
    budget = RetryBudget()
    for _ in range(1000):
        budget.earn()

    assert sum(budget.take() for _ in range(20)) == 10
