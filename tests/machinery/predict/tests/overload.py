"""What a service is asked, and what three times its load must not do to it."""

import sys
from collections import Counter

import samples
from callers import Load, percentile

ASK = (
    f"POST {samples.ROUTE} HTTP/1.1\r\nHost: a\r\nContent-Type: {samples.RAW_MEDIA_TYPE}\r\n"
    f"Content-Length: {len(samples.RAW)}\r\n\r\n{samples.RAW.decode('latin-1')}"
)
"""In latin-1."""
ROUNDS = 3
"""Where the service is slow, and nothing else: the machine may have been busy."""


def assert_refused_or_answered_in_time(
    port: int, *, seconds: float = 4, timeout_seconds: float = 10
) -> None:
    """Ask the service at *port* at three times the rate at which it answers.

    Args:
        port: of the service.
        seconds: how long.
        timeout_seconds: REQUEST_TIMEOUT_SECONDS.
    """
    for _ in range(ROUNDS):
        answers = Load(port, ASK, rate=3, seconds=seconds, peak_seconds=2).run()
        goodput = answers.goodput(seconds)
        accepted = percentile(0.99, answers.requests, 200)
        refused = percentile(0.99, answers.requests, 503)
        probe = percentile(1, answers.probes, 200)
        statuses = Counter(status for status, _, _ in answers.requests)
        sys.stdout.write(  # shown where it fails
            f"peak {answers.peak:.1f} goodput {goodput:.1f} accepted p99 {accepted:.3f} "
            f"refused p99 {refused:.4f} slowest probe {probe:.4f} {statuses}\n"
        )
        is_fast = refused < 0.1 and probe < 1 and goodput >= 0.9 * answers.peak
        if is_fast and set(statuses) == {200, 503}:
            break

    assert {status for status, _, _ in answers.probes} == {200}
    assert set(statuses) == {200, 503}
    assert accepted < timeout_seconds
    assert probe < 1
    assert refused < 0.1
    assert goodput >= 0.9 * answers.peak
    waits = {retry for status, _, retry in answers.requests if status == 503}
    assert 1 <= min(waits) <= max(waits) <= 2 * timeout_seconds
