"""A service in a process of its own, at three times what its model server can do.

Run as a script, it is that service; its model server takes one call at a time, and so long for it.
"""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_version import write_fake_version
from fakes import fake_model
from overload import assert_refused_or_answered_in_time
from processes import Process, Start, starting

from service.__main__ import main
from service.errors import TimedOut
from service.manifest import Arrays
from service.pipeline import Pipeline


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    write_fake_version(tmp_path / "default")
    with starting(tmp_path / "default", tmp_path, (__file__,)) as start:
        yield start


@pytest.mark.parametrize(("seconds", "timeout"), [("0.02", 10), ("0.1", 2)])
def test_three_times_the_load_is_refused_at_once_or_answered_in_time(
    start: Start, seconds: str, timeout: float
) -> None:
    """Also where the threads could wait for longer than their callers."""
    process: Process = start(SECONDS=seconds, REQUEST_TIMEOUT_SECONDS=str(timeout))
    process.wait_until_ready()

    assert_refused_or_answered_in_time(process.port, timeout_seconds=timeout)


if __name__ == "__main__":
    fast = fake_model()
    turn = threading.Lock()

    def predict(self: object, batch: Arrays, *, timeout_seconds: float) -> Arrays:
        end = time.monotonic() + timeout_seconds
        with turn:  # as a server that runs what nobody waits for any more
            time.sleep(float(os.environ["SECONDS"]))
        if time.monotonic() > end:
            raise TimedOut("no answer")
        return fast.predict(self, batch, timeout_seconds=timeout_seconds)  # type: ignore[arg-type]

    slow = type("SlowFakeModel", (fast,), {"predict": predict})
    main(lambda settings, metrics, on_failure: Pipeline(settings, metrics, on_failure, slow))
