"""The command line: ``python -m loadtest URL``; the exit status is 1 when it is not good enough."""

import argparse
import sys
import time
from pathlib import Path

from loadtest.clients import ask
from loadtest.report import Limits, report
from service.smoke import SmokeError, read_examples, wait_until_ready


def main() -> None:
    """Warm up, measure, print, write and judge."""
    options = _options()
    url = options.url.rstrip("/")
    limits = Limits(options.p95_seconds, options.error_share)
    try:
        wait_until_ready(url, timeout_seconds=options.timeout)
        examples = read_examples(options.examples)
    except SmokeError as error:
        sys.exit(f"error: {error}")
    ask(url, examples, options.clients, options.warm_up)
    for _ in range(options.rounds):
        started = time.monotonic()
        answers = ask(url, examples, options.clients, options.seconds)
        found = report(answers, options.clients, time.monotonic() - started)
        sys.stdout.write(f"{found.text()}\n")
        if not found.is_only_slow(limits):
            break
    found.write(options.report, limits)
    if faults := found.faults(limits):
        sys.exit(f"error: {url} is not good enough. {' '.join(faults)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest",
        description="Send requests from several clients at once; fail when the service is slow or "
        "makes errors.",
    )
    parser.add_argument("url", help="where the service is, as in http://localhost:8000")
    for name, default, what in (
        ("--p95-seconds", None, "95 of 100 answers are to come in this time"),
        ("--seconds", 10.0, "how long to send requests"),
        ("--warm-up", 3.0, "before that, not counted"),
        ("--timeout", 60.0, "wait for the service at most so long"),
    ):
        parser.add_argument(
            name,
            type=_positive,
            metavar="SECONDS",
            default=default,
            required=default is None,
            help=what if default is None else f"{what} (default: %(default)s)",
        )
    parser.add_argument(
        "--error-share",
        type=_share,
        default=0.01,
        metavar="SHARE",
        help="most requests, from 0 to 1, without a right answer (default: %(default)s)",
    )
    parser.add_argument(
        "--clients", type=_count, default=4, metavar="N", help="side by side (default: %(default)s)"
    )
    parser.add_argument(
        "--rounds",
        type=_count,
        default=3,
        metavar="N",
        help="measure so often where it is slow: the machine may be busy (default: %(default)s)",
    )
    parser.add_argument(
        "--examples", type=Path, default=Path("examples"), metavar="FOLDER", help="requests to send"
    )
    parser.add_argument(
        "--report",
        type=Path,
        default=Path("build/reports/loadtest.json"),
        metavar="FILE",
        help="where to write the metrics (default: %(default)s)",
    )
    options = parser.parse_args()
    if not options.url.startswith(("http://", "https://")):
        parser.error(f"the URL is {options.url!r}; it must start with http:// or https://")
    return options


def _positive(text: str) -> float:
    number = _number(text)
    if not 0 < number < 1e6:  # noqa: PLR2004 - more than a week is a slip
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def _share(text: str) -> float:
    number = _number(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return number


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


if __name__ == "__main__":
    main()
