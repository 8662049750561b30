"""Concurrent clients that send requests until the time is over."""

import itertools
import json
import mimetypes
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import NamedTuple
from urllib.parse import urlsplit

from service.smoke import Example, contains

TIMEOUT_SECONDS = 30.0
PAUSE_SECONDS = 0.05
"""After a failure, so that a service that refuses at once is not hammered."""

RIGHT, WRONG = "right", "wrong answer"


class Answer(NamedTuple):
    """What became of one request.

    Args:
        outcome: ``RIGHT``, ``WRONG``, an HTTP status, or the name of an error.
        seconds: from the first byte sent to the last one received.
    """

    outcome: str
    seconds: float


def ask(url: str, examples: Sequence[Example], clients: int, seconds: float) -> list[Answer]:
    """Send *examples* to *url* from *clients* at a time for *seconds*.

    What has begun by then is awaited and counts.
    """
    answers: list[list[Answer]] = [[] for _ in range(clients)]
    end = time.monotonic() + seconds
    threads = [
        threading.Thread(target=_ask, args=(url, _from(examples, number), end, kept), daemon=True)
        for number, kept in enumerate(answers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return list(itertools.chain.from_iterable(answers))


def _from(examples: Sequence[Example], first: int) -> Iterator[Example]:
    """*examples* again and again, so that clients do not all send the same at a time."""
    first %= len(examples)
    return itertools.cycle([*examples[first:], *examples[:first]])


def _ask(url: str, examples: Iterator[Example], end: float, kept: list[Answer]) -> None:
    parts = urlsplit(url)
    connection = (
        HTTPSConnection(parts.netloc, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context())
        if parts.scheme == "https"
        else HTTPConnection(parts.netloc, timeout=TIMEOUT_SECONDS)
    )
    while time.monotonic() < end:
        example = next(examples)
        started = time.monotonic()
        try:
            outcome = _outcome(connection, parts.path, example)
        except (OSError, HTTPException) as error:
            connection.close()
            outcome = type(error).__name__
        kept.append(Answer(outcome, time.monotonic() - started))
        if outcome not in {RIGHT, WRONG}:
            time.sleep(PAUSE_SECONDS)
    connection.close()


def _outcome(connection: HTTPConnection, below: str, example: Example) -> str:
    media_type = mimetypes.guess_type(example.path)[0] or "application/octet-stream"
    connection.request(
        "POST", below + example.route, example.path.read_bytes(), {"Content-Type": media_type}
    )
    response = connection.getresponse()
    body = response.read()
    if response.status != HTTPStatus.OK:
        return str(response.status)
    try:
        is_right = contains(json.loads(body), example.expected)
    except ValueError:
        is_right = False
    return RIGHT if is_right else WRONG
