"""Ask a starter for three times what it answers; prints Markdown.

The callers share the machine's processors with the service: their part is a column.
"""

import asyncio
import json
import mimetypes
import os
import random
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from bench import bake, served
from service import straight

ROOT = Path(__file__).resolve().parent.parent
sys.path += [str(ROOT / "tests"), str(ROOT / "tests" / "tools")]

from environments import shared_environment  # noqa: E402
from matrix import COMBINATIONS, without_ci  # noqa: E402

ROUNDS = 5
AT_A_TIME = 32
"""Callers that ask again when they are answered, for the peak."""
PEAK_SECONDS = 3
WARM_UP_SECONDS = 1
SECONDS = 6
TIMES = 3
PROBE_SECONDS = 0.1
REFUSED = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}

COLUMNS = [
    "peak/s",
    "answered/s",
    "of peak",
    "answered, 99 % ms",
    "refused, median ms",
    "refused, 99 % ms",
    "slowest probe ms",
    "lost",
    "callers' CPU",
]


class Caller(asyncio.Protocol):
    """A connection; one request at a time."""

    def __init__(self) -> None:
        self._text = b""
        self._came: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # TCP's
        """Keep what to write to."""
        self.transport = transport

    def ask(self, request: bytes) -> "asyncio.Future[int]":
        """Send *request*; the answer's status, 0 where the connection ends instead."""
        self._text, self._came = b"", asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._came

    def data_received(self, data: bytes) -> None:
        """Take a part of the answer."""
        self._text += data
        head, end, body = self._text.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if end and len(body) == int(length) and self._came and not self._came.done():
            self._came.set_result(int(head.split(b" ", 2)[1]))

    def connection_lost(self, _error: Exception | None) -> None:
        """Let nobody wait for an answer that will not come."""
        if self._came and not self._came.done():
            self._came.set_result(0)


@dataclass
class Load:
    """What callers of the service at *address* were answered with: status and seconds of each."""

    address: tuple[str, int]
    request: bytes
    answers: list[tuple[int, float]] = field(default_factory=list)
    idle: list[Caller] = field(default_factory=list)

    async def ask(self, due: float, *, is_counted: bool = True) -> None:
        """Ask once; the time is from when it was *due*."""
        caller = self.idle.pop() if self.idle else None
        if caller is None or caller.transport.is_closing():
            loop = asyncio.get_running_loop()
            _, caller = await loop.create_connection(Caller, *self.address)
        status = await caller.ask(self.request)
        if is_counted:
            self.answers.append((status, time.perf_counter() - due))
        self.idle.append(caller)

    async def closed(self, seconds: float) -> None:
        """So many callers as ask at a time, each again when it is answered."""
        end = time.perf_counter() + seconds

        async def again() -> None:
            while time.perf_counter() < end:
                await self.ask(time.perf_counter())

        await asyncio.gather(*(again() for _ in range(AT_A_TIME)))

    async def opened(self, rate: float, seconds: float) -> None:
        """*rate* requests a second at random times (Poisson), whatever is answered."""
        begin = due = time.perf_counter()
        asked = []
        while due < begin + seconds:
            if (pause := due - time.perf_counter()) > 0:
                await asyncio.sleep(pause)
            is_counted = due > begin + WARM_UP_SECONDS
            asked.append(asyncio.create_task(self.ask(due, is_counted=is_counted)))
            due += random.expovariate(rate)
        await asyncio.gather(*asked)


async def probed(url: str) -> float:
    """The slowest probe's seconds, until the task is cancelled."""
    slowest = 0.0
    try:
        while True:
            start = time.perf_counter()
            await asyncio.to_thread(straight().get, f"{url}/livez", timeout=10)
            slowest = max(slowest, time.perf_counter() - start)
            await asyncio.sleep(PROBE_SECONDS)
    except asyncio.CancelledError:
        return slowest


def at(share: float, times: list[float]) -> float:
    """The quantile *share* of *times*."""
    return sorted(times)[int(share * (len(times) - 1))] if times else float("nan")


async def measured(url: str, request: bytes) -> list[str]:
    """A round: the peak, then three times as much; the cells of its row."""
    address = (urlsplit(url).hostname or "", urlsplit(url).port or 0)
    before = Load(address, request)
    await before.closed(PEAK_SECONDS)
    peak = sum(status == HTTPStatus.OK for status, _ in before.answers) / PEAK_SECONDS
    after, probe = Load(address, request), asyncio.create_task(probed(url))
    used = time.process_time()
    await after.opened(TIMES * peak, SECONDS + WARM_UP_SECONDS)
    used = (time.process_time() - used) / (SECONDS + WARM_UP_SECONDS) / (os.cpu_count() or 1)
    probe.cancel()
    good = [seconds for status, seconds in after.answers if status == HTTPStatus.OK]
    refused = [seconds for status, seconds in after.answers if status in REFUSED]
    others = len(after.answers) - len(good) - len(refused)
    milliseconds = [at(0.99, good), statistics.median(refused), at(0.99, refused), await probe]
    for load in (before, after):
        for caller in load.idle:
            caller.transport.close()
    return [
        f"{peak:.0f}",
        f"{len(good) / SECONDS:.0f}",
        f"{len(good) / SECONDS / peak:.0%}",
        *(f"{each * 1000:.0f}" for each in milliseconds),
        f"{others}",
        f"{used:.0%}",
    ]


def main() -> None:
    """Measure the first repository that has all words of the command line."""
    words = sys.argv[1:] or ["image-classification", "pytorch", "flask"]
    rows = [row for row in without_ci(COMBINATIONS) if {*words, "in-process"} <= {*row.values()}]
    if not rows:
        sys.exit(f"No repository that serves in-process has all answers {' '.join(words)!r}.")
    answers = rows[0]
    with tempfile.TemporaryDirectory() as folder:
        repo = bake(answers, Path(folder))
        venv = shared_environment(
            answers["backend"], lambda each: bake(each, Path(tempfile.mkdtemp(dir=folder)))
        )
        expected = json.loads((repo / "examples" / "expected.json").read_text(encoding="utf-8"))
        route = next(iter(expected))
        example = repo / "examples" / next(iter(expected[route]))
        head = (
            f"POST {route} HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Type: {mimetypes.guess_type(example)[0]}\r\n"
            f"Content-Length: {example.stat().st_size}\r\n\r\n"
        )
        request = head.encode() + example.read_bytes()
        with served(repo, venv) as (service, _):
            print(f"| {' | '.join(COLUMNS)} |\n|{'--:|' * len(COLUMNS)}")
            for _ in range(ROUNDS):
                row = asyncio.run(measured(service.url, request))
                print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
