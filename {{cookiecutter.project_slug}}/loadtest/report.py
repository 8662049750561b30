"""What the answers say of a service, and whether that is good enough. Knows nothing of HTTP."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from loadtest.clients import RIGHT, Answer


@dataclass(frozen=True)
class Limits:
    """What is good enough.

    Args:
        p95_seconds: limit of the 95th percentile of the response time.
        error_share: at most so many of all requests, from 0 to 1, may have no right answer.
    """

    p95_seconds: float
    error_share: float


@dataclass(frozen=True)
class Report:
    """The metrics of a load test.

    Args:
        clients: that sent requests at a time.
        seconds: for which they did.
        requests: all of them.
        requests_per_second: that were answered right.
        p50_seconds: median response time of correct answers; ``None`` where there are none.
        p95_seconds: 95 of 100.
        p99_seconds: 99 of 100.
        errors: how often there was no right answer, by the reason.
    """

    clients: int
    seconds: float
    requests: int
    requests_per_second: float
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None
    errors: dict[str, int]

    def text(self) -> str:
        """The metrics, for people."""
        errors = ", ".join(f"{count} x {name}" for name, count in self.errors.items()) or "none"
        return (
            f"{self.requests} requests of {self.clients} clients in {self.seconds:.1f} s: "
            f"{self.requests_per_second:.1f} correct answers per second\n"
            f"latency: p50 {_ms(self.p50_seconds)}, p95 {_ms(self.p95_seconds)}, "
            f"p99 {_ms(self.p99_seconds)}\n"
            f"errors: {errors}; of them refused for overload (503): {self.errors.get('503', 0)}"
        )

    def faults(self, limits: Limits) -> list[str]:
        """Why this is not good enough, a sentence each; none when it is."""
        if self.requests == 0:
            return ["No request was sent: the time was too short."]
        found = []
        share = sum(self.errors.values()) / self.requests
        if share > limits.error_share:
            found.append(
                f"{share:.1%} of the requests had no right answer; at most "
                f"{limits.error_share:.1%} is accepted."
            )
        if self.p95_seconds is None:
            found.append("No request had a right answer.")
        elif self.p95_seconds > limits.p95_seconds:
            found.append(
                f"95 of 100 answers came within {_ms(self.p95_seconds)}; "
                f"{_ms(limits.p95_seconds)} is accepted."
            )
        return found

    def is_only_slow(self, limits: Limits) -> bool:
        """Whether answers come too late, and nothing else is wrong."""
        slow = self.p95_seconds is not None and self.p95_seconds > limits.p95_seconds
        return slow and len(self.faults(limits)) == 1

    def write(self, path: Path, limits: Limits) -> None:
        """Write metrics, limits and failures as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = {**asdict(self), "limits": asdict(limits), "faults": self.faults(limits)}
        path.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


def report(answers: Sequence[Answer], clients: int, seconds: float) -> Report:
    """Sum up *answers* that came in *seconds*."""
    right = sorted(answer.seconds for answer in answers if answer.outcome == RIGHT)
    wrong = Counter(answer.outcome for answer in answers if answer.outcome != RIGHT)
    p50, p95, p99 = (percentile(right, share) for share in (0.5, 0.95, 0.99))
    return Report(
        clients=clients,
        seconds=seconds,
        requests=len(answers),
        requests_per_second=len(right) / seconds,
        p50_seconds=p50,
        p95_seconds=p95,
        p99_seconds=p99,
        errors=dict(wrong.most_common()),
    )


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The least of *ordered*, smallest first, that *share* of them do not exceed."""
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else None


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.1f} ms"
