"""The circuit: when it opens, and who closes it."""

from service.circuit_breaker import CircuitBreaker


def test_it_opens_after_so_many_failures_in_a_row() -> None:
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


def test_a_late_answer_does_not_close_it() -> None:
    breaker = CircuitBreaker(1)
    breaker.failed()
    breaker.succeeded()
    assert breaker.is_open


def test_a_probe_opens_and_closes_it() -> None:
    breaker = CircuitBreaker(2)
    breaker.open()
    assert breaker.is_open
    breaker.failed()
    breaker.close()
    assert not breaker.is_open
    breaker.failed()
    assert not breaker.is_open  # closing began the count anew
