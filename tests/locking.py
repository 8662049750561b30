"""Locks between the processes of a run, and between runs on one machine."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service import CACHE


@contextmanager
def locked_file(path: Path) -> Iterator[None]:
    """Hold the lock that the file at *path* is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock *name* against other runs, too."""
    with locked_file(CACHE / f"{name}.lock"):
        yield


@contextmanager
def one_of(name: str, count: int) -> Iterator[None]:
    """Hold one of *count* locks *name*, against other runs, too."""
    CACHE.mkdir(parents=True, exist_ok=True)
    while True:
        for number in range(count):
            with (CACHE / f"{name}-{number}.lock").open("w") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield
                return
        time.sleep(0.2)
