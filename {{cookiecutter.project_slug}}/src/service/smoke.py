"""``python -m service.smoke URL``: send the requests in examples/ and check the answers.

The questions are files in ``examples/``; ``examples/expected.json`` has, for each route and each
file that is sent there, what the answer must contain. Knows nothing of the service's code and needs
nothing but Python, so it runs where nothing is installed.
"""

import argparse
import json
import mimetypes
import sys
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple

REQUEST_TIMEOUT_SECONDS = 30.0
_FAILURES = (OSError, HTTPException)


class SmokeError(Exception):
    """The service does not answer as it must."""


class Example(NamedTuple):
    """A file, the route that it is sent to, and what the answer must contain."""

    route: str
    path: Path
    expected: dict[str, Any]


def main() -> None:
    """Run the command line; the exit status is 1 when an answer is not as expected."""
    parser = argparse.ArgumentParser(prog="python -m service.smoke", description=__doc__)
    parser.add_argument("url", help="where the service is, as in http://localhost:8000")
    parser.add_argument(
        "--timeout", type=float, default=60.0, metavar="SECONDS", help="wait for it at most so long"
    )
    parser.add_argument(
        "--examples", type=Path, default=Path("examples"), metavar="FOLDER", help="requests to send"
    )
    arguments = parser.parse_args()
    url = arguments.url.rstrip("/")
    if not url.startswith(("http://", "https://")):
        parser.error(f"the URL is {url!r}; it must start with http:// or https://")
    try:
        wait_until_ready(url, timeout_seconds=arguments.timeout)
        for example in read_examples(arguments.examples):
            check(example, ask(url, example))
    except SmokeError as error:
        sys.exit(f"error: {error}")


def wait_until_ready(url: str, *, timeout_seconds: float) -> None:
    """Return when ``/readyz`` says yes.

    Raises:
        SmokeError: it has not within *timeout_seconds*; the message has the last refusal.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5):  # noqa: S310  # main checks it
                return
        except _FAILURES as error:
            if time.monotonic() >= deadline:
                raise SmokeError(
                    f"{url} was not ready within {timeout_seconds:g} seconds: {error}. Look at the "
                    f"service's log, or wait longer with --timeout."
                ) from None
        time.sleep(0.2)


def read_examples(folder: Path) -> list[Example]:
    """A request, and the expected answer.

    Raises:
        SmokeError: there is no ``expected.json``, or it is not as it must be.
    """
    path = folder / "expected.json"
    accepted = (
        'It must be like {"/route": {"file": {"field": "value"}}}, with files of the same folder.'
    )
    try:
        routes = json.loads(path.read_text(encoding="utf-8"))
        examples = [
            Example(route, folder / name, dict(expected))
            for route, files in routes.items()
            for name, expected in files.items()
        ]
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise SmokeError(f'"{path}" cannot be read: {error}. {accepted}') from None
    if not examples:
        raise SmokeError(f'"{path}" names no example. {accepted}')
    for example in examples:
        if not example.path.is_file():
            raise SmokeError(
                f'"{path}" names "{example.path.name}", which is not there. {accepted}'
            )
    return examples


def ask(url: str, example: Example) -> dict[str, Any]:
    """Send the example's file to its route.

    Returns:
        The answer, decoded from JSON.

    Raises:
        SmokeError: there is none, or it is an error.
    """
    path = example.path
    media_type = mimetypes.guess_type(path)[0] or "application/octet-stream"
    request = urllib.request.Request(  # noqa: S310  # main checks the scheme
        url + example.route, data=path.read_bytes(), headers={"Content-Type": media_type}
    )
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_TIMEOUT_SECONDS) as response:  # noqa: S310
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        body = error.read(1000).decode(errors="replace")
        raise SmokeError(f"{url} answered {path} with {error.code}: {body}") from None
    except (*_FAILURES, ValueError) as error:
        raise SmokeError(f"{url} did not answer {path}: {error}") from None
    if not isinstance(answer, dict):
        raise SmokeError(f"{url} answered {path} with {answer!r}, not with a JSON object.")
    return answer


def check(example: Example, answer: dict[str, Any]) -> None:
    """Compare what *answer* says with what it must, and print it.

    Raises:
        SmokeError: something is missing or has another value.
    """
    path, expected = example.path, example.expected
    found = {field: answer.get(field) for field in expected}
    if not contains(found, expected):
        raise SmokeError(
            f"{path} was answered with {json.dumps(found)}; {path.parent / 'expected.json'} says "
            f"{json.dumps(expected)}. If the service has a model of your own, put examples of "
            f"your own there."
        )
    sys.stdout.write(f"{path}: {json.dumps(expected, ensure_ascii=False)}, as expected\n")


def contains(found: Any, expected: Any) -> bool:
    """Whether *found* is *expected*, but for members of objects that are not expected."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return all(
            name in found and contains(found[name], value) for name, value in expected.items()
        )
    if isinstance(expected, list) and isinstance(found, list):
        return len(found) == len(expected) and all(map(contains, found, expected))
    return bool(found == expected)


if __name__ == "__main__":
    main()
