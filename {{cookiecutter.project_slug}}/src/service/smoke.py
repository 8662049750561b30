"""``python -m service.smoke URL``: send the requests in examples/ and check the answers.

The questions are files in ``examples/``; ``examples/expected.json`` has, for each route and each
file that is sent there, what the answer must contain. Needs nothing but Python, and nothing of the
service's code, so it runs where nothing is installed. Where the service has API keys, ``API_KEY``
is one.
"""

import argparse
import json
import mimetypes
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple

REQUEST_TIMEOUT_SECONDS = 30.0


class SmokeError(Exception):
    """The service does not answer as it must."""


class Example(NamedTuple):
    """A file, the route that it is sent to, and what the answer must contain."""

    route: str
    path: Path
    expected: dict[str, Any]

    @property
    def headers(self) -> dict[str, str]:
        """Its Content-Type, and the key in ``API_KEY``."""
        found = {"Content-Type": mimetypes.guess_type(self.path)[0] or "application/octet-stream"}
        if key := os.environ.get("API_KEY"):
            found["Authorization"] = f"Bearer {key}"
        return found


def main() -> None:
    """Run the command line; the exit status is 1 when an answer is not as expected."""
    parser = argparse.ArgumentParser(prog="python -m service.smoke", description=__doc__)
    parser.add_argument("url", type=url_of, help="where the service is")
    parser.add_argument(
        "--timeout", type=float, default=0.0, help="seconds to wait until it is ready (%(default)g)"
    )
    arguments = parser.parse_args()
    try:
        wait_until_ready(arguments.url, timeout_seconds=arguments.timeout)
        for example in read_examples(Path("examples")):
            check(example, ask(arguments.url, example))
    except SmokeError as error:
        sys.exit(f"error: {error}")


def url_of(text: str) -> str:
    """An HTTP URL without a slash at the end, for ``argparse``."""
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{text!r} must start with http:// or https://")
    if "@" in urllib.parse.urlsplit(text).netloc:
        raise argparse.ArgumentTypeError("an address with a password is not accepted")
    return text.rstrip("/")


def wait_until_ready(url: str, *, timeout_seconds: float) -> None:
    """Return when ``/readyz`` says yes; ``SmokeError`` with its last refusal when it never does."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5):  # noqa: S310 - url_of checked it
                return
        except (OSError, HTTPException) as error:
            if time.monotonic() >= deadline:
                raise SmokeError(
                    f"{url} was not ready within {timeout_seconds:g} seconds: {error}. Start it "
                    f'with "make serve", look at its log, or wait longer with --timeout.'
                ) from None
        time.sleep(0.2)


def read_examples(folder: Path) -> list[Example]:
    """What ``expected.json`` in *folder* lists; ``SmokeError`` where it cannot be used."""
    path = folder / "expected.json"
    try:
        examples = [
            Example(route, folder / name, dict(expected))
            for route, files in json.loads(path.read_text(encoding="utf-8")).items()
            for name, expected in files.items()
        ]
        if not examples:
            raise ValueError("it names no example")
        if missing := [each.path for each in examples if not each.path.is_file()]:
            raise ValueError(f'"{missing[0]}" is not there')
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise SmokeError(
            f'"{path}" cannot be used: {error}. It must be like '
            '{"/route": {"file": {"field": "value"}}}, with files of the same folder.'
        ) from None
    return examples


def ask(url: str, example: Example) -> Any:
    """The answer to the example's file, from JSON; ``SmokeError`` where it is an error, or none."""
    path, body = example.path, example.path.read_bytes()
    request = urllib.request.Request(url + example.route, body, example.headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_TIMEOUT_SECONDS) as response:  # noqa: S310
            return json.load(response)
    except urllib.error.HTTPError as error:
        said = error.read(1000).decode(errors="replace")
        raise SmokeError(f"{url} answered {path} with {error.code}: {said}") from None
    except (OSError, HTTPException, ValueError) as error:
        raise SmokeError(f"{url} did not answer {path}: {error}") from None


def check(example: Example, answer: Any) -> None:
    """Print *answer*; ``SmokeError`` where something is missing in it or has another value."""
    path, expected = example.path, example.expected
    if not contains(answer, expected):
        if isinstance(answer, dict):
            answer = {field: answer.get(field) for field in expected}
        raise SmokeError(
            f"{path} was answered with {json.dumps(answer)}; {path.parent / 'expected.json'} says "
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
