"""Ask a service that generates for streams, many at a time, and measure what comes."""

import json
import statistics
import threading
import time
from dataclasses import dataclass, field

import requests

PROMPTS = (
    "Count on from 13.",
    "Count back from 77.",
    "What comes after 41?",
    "Now count up from 5!",
)


@dataclass
class Figures:
    """What one reader, or several, have seen.

    Args:
        tokens: of whole texts.
        first: seconds from each request to its first piece of text.
    """

    tokens: int = 0
    first: list[float] = field(default_factory=list)

    @property
    def first_ms(self) -> float:
        """The median time to a first piece of text, in milliseconds."""
        return 1000 * statistics.median(self.first)


def read_streams(url: str, readers: int, seconds: float) -> tuple[float, Figures]:
    """Let *readers* ask one after the other for *seconds*.

    Returns:
        Tokens per second, of all readers together, and what they saw.

    Raises:
        RuntimeError: a stream did not end as it should.
    """
    figures, failures = Figures(), list[Exception]()
    end = time.perf_counter() + seconds

    def read(number: int) -> None:
        try:
            while time.perf_counter() < end:
                _read_one(url, PROMPTS[number % len(PROMPTS)], figures)
        except Exception as error:  # noqa: BLE001 - reported below
            failures.append(error)

    started = time.perf_counter()
    threads = [threading.Thread(target=read, args=(number,)) for number in range(readers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(f"{url} broke a stream: {failures[0]!r}")
    return figures.tokens / (time.perf_counter() - started), figures


def _read_one(url: str, prompt: str, figures: Figures) -> None:
    asked, first = time.perf_counter(), None
    body = {"text": prompt, "stream": True, "temperature": 0}
    with requests.post(f"{url}/generate", json=body, stream=True, timeout=60) as response:
        response.raise_for_status()
        last = {}
        for line in response.iter_lines():
            if line.startswith(b"data:"):
                first = first or time.perf_counter() - asked
                last = json.loads(line.removeprefix(b"data:"))
    figures.tokens += last["usage"]["completion_tokens"]
    figures.first.append(first or 0.0)
