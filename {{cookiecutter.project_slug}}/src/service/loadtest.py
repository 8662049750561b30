"""``python -m service.loadtest URL``: does a running service keep up, and are its answers right?

Several clients send the examples of the smoke test side by side. Needs nothing but Python. Where
the service has API keys, ``API_KEY`` is one.
"""

import argparse
import itertools
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from service.smoke import Example, SmokeError, contains, read_examples, url_of, wait_until_ready

REQUEST_TIMEOUT_SECONDS = 30.0
WARM_UP_SECONDS = 3.0
PAUSE_SECONDS = 0.05
"""After a failure, so that a service that refuses at once is not hammered."""
ROUNDS = 3
"""Where the service is slow, and nothing else: the machine may have been busy."""
RIGHT, WRONG = "right", "wrong answer"


class Answer(NamedTuple):
    """The outcome of a request: ``RIGHT``, ``WRONG``, an HTTP status, or the name of an error."""

    outcome: str
    seconds: float


def main() -> None:
    """Run the command line; the exit status is 1 when the service is not good enough."""
    options = _options()
    url = options.url
    try:
        wait_until_ready(url, timeout_seconds=options.timeout)
        examples = read_examples(options.examples)
    except SmokeError as error:
        sys.exit(f"error: {error}")
    send(url, examples, options.clients, min(WARM_UP_SECONDS, options.seconds))
    for _ in range(ROUNDS):
        started = time.monotonic()
        answers = send(url, examples, options.clients, options.seconds)
        found = {"clients": options.clients, **summary(answers, time.monotonic() - started)}
        sys.stdout.write(f"{text(found)}\n")
        errors, slow = faults(found, options.p95_seconds, options.error_share)
        if errors or not slow:
            break
    limits = {"p95_seconds": options.p95_seconds, "error_share": options.error_share}
    report = {**found, "limits": limits, "faults": [*errors, *slow]}
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if report["faults"]:
        sys.exit(f"error: {url} is not good enough. {' '.join(report['faults'])}")


def send(url: str, examples: Sequence[Example], clients: int, seconds: float) -> list[Answer]:
    """Send *examples* again and again from *clients* for *seconds*; what has begun is awaited."""
    end = time.monotonic() + seconds
    with ThreadPoolExecutor(clients) as pool:
        lists = pool.map(lambda number: list(_answers(url, examples, number, end)), range(clients))
        return [answer for answers in lists for answer in answers]


def _answers(url: str, examples: Sequence[Example], first: int, end: float) -> Iterator[Answer]:
    parts = urlsplit(url)
    connect = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = connect(parts.netloc, timeout=REQUEST_TIMEOUT_SECONDS)
    # Clients begin at different examples, so that they do not all send the same one.
    for example in itertools.islice(itertools.cycle(examples), first % len(examples), None):
        started = time.monotonic()
        if started >= end:
            break
        try:
            outcome = _outcome(connection, parts.path, example)
        except (OSError, HTTPException) as error:
            connection.close()
            outcome = type(error).__name__
        yield Answer(outcome, time.monotonic() - started)
        if outcome not in {RIGHT, WRONG}:
            time.sleep(PAUSE_SECONDS)
    connection.close()


def _outcome(connection: HTTPConnection, below: str, example: Example) -> str:
    body = example.path.read_bytes()
    connection.request("POST", below + example.route, body, example.headers)
    response = connection.getresponse()
    answer = response.read()
    if response.status != HTTPStatus.OK:
        return str(response.status)
    try:
        return RIGHT if contains(json.loads(answer), example.expected) else WRONG
    except ValueError:
        return WRONG


def summary(answers: Sequence[Answer], seconds: float) -> dict[str, Any]:
    """Rate and latencies of the right answers among *answers*, and the errors by their reason."""
    right = sorted(answer.seconds for answer in answers if answer.outcome == RIGHT)
    errors = Counter(answer.outcome for answer in answers if answer.outcome != RIGHT)
    return {
        "seconds": seconds,
        "requests": len(answers),
        "requests_per_second": len(right) / seconds,
        **{f"p{share}_seconds": percentile(right, share / 100) for share in (50, 95, 99)},
        "errors": dict(errors.most_common()),
    }


def text(found: dict[str, Any]) -> str:
    p50, p95, p99 = (_ms(found[f"p{share}_seconds"]) for share in (50, 95, 99))
    errors = ", ".join(f"{count} x {name}" for name, count in found["errors"].items()) or "none"
    return (
        f"{found['requests']} requests of {found['clients']} clients in {found['seconds']:.1f} s: "
        f"{found['requests_per_second']:.1f} correct answers per second\n"
        f"latency: p50 {p50}, p95 {p95}, p99 {p99}; errors: {errors}"
    )


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.1f} ms"


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The least of *ordered*, smallest first, that *share* of them do not exceed."""
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else None


def faults(
    found: dict[str, Any], p95_seconds: float, error_share: float
) -> tuple[list[str], list[str]]:
    """What is wrong with the answers, and whether they come too late; a sentence each."""
    errors, share = [], sum(found["errors"].values()) / max(found["requests"], 1)
    if share > error_share:
        errors.append(f"{share:.1%} of the requests failed; {error_share:.1%} is accepted.")
    p95 = found["p95_seconds"]
    if p95 is None:
        return [*errors, "No request had a right answer."], []
    slow = f"95 of 100 answers came within {_ms(p95)}; {_ms(p95_seconds)} is accepted."
    return errors, [slow] if p95 > p95_seconds else []


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m service.loadtest", description=__doc__)
    add = parser.add_argument
    add("url", type=url_of, help="where the service is, as in http://localhost:8000")
    add("--p95-seconds", type=float, required=True, help="accepted for 95 of 100 answers")
    add("--error-share", type=float, default=0.01, help="accepted of all requests, from 0 to 1")
    add("--clients", type=int, default=4, help="side by side (default: %(default)s)")
    add("--seconds", type=float, default=10.0, help="after a warm-up (default: %(default)s)")
    add("--timeout", type=float, default=60.0, help="of the wait for the service, in seconds")
    add("--examples", type=Path, default=Path("examples"), help="what is sent")
    add("--report", type=Path, default=Path("build/reports/loadtest.json"), help="is written")
    options = parser.parse_args()
    if not 0 <= options.error_share <= 1:
        parser.error(f"--error-share is {options.error_share}; it must be from 0 to 1")
    for name in ("p95_seconds", "clients", "seconds"):
        if not getattr(options, name) > 0:
            option = f"--{name.replace('_', '-')}"
            parser.error(f"{option} is {getattr(options, name)}; it must be above 0")
    return options


if __name__ == "__main__":
    main()
