"""Callers at the same time."""

import threading
from collections.abc import Callable


def side_by_side(count: int, ask: Callable[[int], None]) -> None:
    """Let each of *count* threads ask; returns when all have."""
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
