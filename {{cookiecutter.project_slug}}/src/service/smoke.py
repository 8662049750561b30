"""``python -m service.smoke URL``: ask a running service what it must know, and check its answers.

The questions are the files in ``examples/``; ``examples/expected.json`` has, for each, what its
answer must contain. Knows nothing of the service's code and needs nothing but Python, so it runs
where nothing is installed.
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
from typing import Any

REQUEST_TIMEOUT_SECONDS = 30.0
_FAILURES = (OSError, HTTPException)


class SmokeError(Exception):
    """The service does not answer as it must."""


def main() -> None:
    """Run the command line; the exit status is 1 when an answer is not as expected."""
    parser = argparse.ArgumentParser(prog="python -m service.smoke", description=__doc__)
    parser.add_argument("url", help="where the service is, as in http://localhost:8000")
    parser.add_argument(
        "--timeout", type=float, default=60.0, metavar="SECONDS", help="wait for it at most so long"
    )
    parser.add_argument(
        "--examples", type=Path, default=Path("examples"), metavar="FOLDER", help="what to ask"
    )
    arguments = parser.parse_args()
    url = arguments.url.rstrip("/")
    if not url.startswith(("http://", "https://")):
        parser.error(f"the URL is {url!r}; it must start with http:// or https://")
    try:
        wait_until_ready(url, timeout_seconds=arguments.timeout)
        for path, expected in read_examples(arguments.examples):
            check(path, ask(url, path), expected)
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


def read_examples(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """The files to ask with, and what the answer to each must contain.

    Raises:
        SmokeError: there is no ``expected.json``, or it is not as it must be.
    """
    path = folder / "expected.json"
    accepted = 'It must be like {"a.png": {"prediction": "7"}}, with files of the same folder.'
    try:
        expected = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SmokeError(f'"{path}" cannot be read: {error}. {accepted}') from None
    if not (isinstance(expected, dict) and expected):
        raise SmokeError(f'"{path}" names no example. {accepted}')
    for name, fields in expected.items():
        if not isinstance(fields, dict):
            raise SmokeError(f'"{path}" has {fields!r} for "{name}". {accepted}')
        if not (folder / name).is_file():
            raise SmokeError(f'"{path}" names "{name}", which is not there. {accepted}')
    return [(folder / name, fields) for name, fields in expected.items()]


def ask(url: str, path: Path) -> dict[str, Any]:
    """Send the file at *path* to ``/predict``.

    Returns:
        The answer, decoded from JSON.

    Raises:
        SmokeError: there is none, or it is an error.
    """
    media_type = mimetypes.guess_type(path)[0] or "application/octet-stream"
    request = urllib.request.Request(  # noqa: S310  # main checks the scheme
        f"{url}/predict", data=path.read_bytes(), headers={"Content-Type": media_type}
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


def check(path: Path, answer: dict[str, Any], expected: dict[str, Any]) -> None:
    """Compare what *answer* says with what it must, and print it.

    Raises:
        SmokeError: a field is missing or has another value.
    """
    found = {field: answer.get(field) for field in expected}
    if found != expected:
        raise SmokeError(
            f"{path} was answered with {json.dumps(found)}; {path.parent / 'expected.json'} says "
            f"{json.dumps(expected)}. If the service has a model of your own, put examples of "
            f"your own there."
        )
    sys.stdout.write(f"{path}: {json.dumps(found)}, as expected\n")


if __name__ == "__main__":
    main()
