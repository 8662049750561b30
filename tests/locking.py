"""Locks between the processes of a run, and between runs on one machine."""

import fcntl
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
