"""Callers that ask again and again while something else goes on."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence


@contextlib.contextmanager
def asked_by(callers: Sequence[Callable[[], None]]) -> Iterator[None]:
    """Let each of *callers* be called over and over in a thread, until the block ends or fails."""
    stop = threading.Event()

    def go_on(ask: Callable[[], None]) -> None:
        while not stop.is_set():
            ask()

    threads = [threading.Thread(target=go_on, args=(ask,)) for ask in callers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
