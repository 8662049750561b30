"""A service in a process of its own, with thousands of connections and three times its load.

Run as a script, it is that service; its model takes so long for each input.
"""

import contextlib
import resource
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import samples
from callers import Load, percentile
from fake_version import write_fake_version
from fakes import fake_model
from overload import ASK, assert_refused_or_answered_in_time
from processes import Process, starting

from service.__main__ import main
from service.manifest import Arrays
from service.pipeline import Pipeline

SECONDS_PER_INPUT = 0.02
IDLE = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
LARGE = b"GET /static/swagger-ui.js HTTP/1.1\r\nHost: a\r\n\r\n"
HALF = f"POST {samples.ROUTE} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx".encode()
CONNECTIONS = ((IDLE, 1000), (b"", 1000), (HALF, 200), (LARGE, 200))


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("overload")
    write_fake_version(folder / "default")
    with starting(folder / "default", folder, (__file__,)) as start:
        process = start(TRANSFER_SECONDS="120")
        process.wait_until_ready()
        yield process


def test_thousands_of_connections_keep_nobody_from_an_answer(process: Process) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    load = Load(process.port, ASK, rate=20, seconds=12)
    with ThreadPoolExecutor() as threads, contextlib.ExitStack() as stack:
        asking = threads.submit(load.run)
        for text, count in CONNECTIONS:
            for _ in range(count):
                held = stack.enter_context(socket.socket())
                held.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                held.connect(("127.0.0.1", process.port))
                held.sendall(text)
                if text in {IDLE, LARGE}:
                    assert held.recv(12) == b"HTTP/1.1 200"
        assert not asking.done(), "There was no time left to ask."
        answers = asking.result()

    assert {status for status, _, _ in answers.probes} == {200}
    assert percentile(1, answers.probes, 200) < 1
    assert {status for status, _, _ in answers.requests} == {200}


def test_three_times_the_load_is_refused_at_once_or_answered_in_time(process: Process) -> None:
    assert_refused_or_answered_in_time(process.port)


def test_more_connections_at_once_than_there_are_files_for_stop_nobody(tmp_path: Path) -> None:
    write_fake_version(tmp_path / "default")
    with (
        starting(tmp_path / "default", tmp_path, (__file__,)) as start,
        contextlib.ExitStack() as stack,
    ):
        process = start(MAX_CONNECTIONS="50")
        process.wait_until_ready()
        process.process.send_signal(signal.SIGSTOP)  # so that they come at once
        for _ in range(800):
            stack.enter_context(socket.create_connection(("127.0.0.1", process.port)))
        process.process.send_signal(signal.SIGCONT)

        started = time.monotonic()
        assert process.is_ready()
        assert time.monotonic() - started < 1


if __name__ == "__main__":
    fast = fake_model()

    def run(self: object, inputs: Sequence[Arrays]) -> list[Arrays]:
        time.sleep(SECONDS_PER_INPUT * len(inputs))
        return fast.__call__(self, inputs)  # type: ignore[arg-type]

    slow = type("SlowFakeModel", (fast,), {"__call__": run})
    main(lambda settings, metrics, on_failure: Pipeline(settings, metrics, on_failure, slow))
