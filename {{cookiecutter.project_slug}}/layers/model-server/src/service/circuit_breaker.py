"""Leaves an ill model server alone, so that callers hear at once and the server can recover.

After some failures in a row the circuit is open, and nothing is sent. Whoever watches over the
server closes it again, when a probe has shown that it answers rightly; no caller's request is
spent on finding out (https://martinfowler.com/bliki/CircuitBreaker.html).
"""

import threading


class CircuitBreaker:
    """Open or closed; closed at first. Used by many threads.

    Args:
        failures: in a row, until it opens.
    """

    def __init__(self, failures: int) -> None:
        self._most = failures
        self._failures = 0
        self._is_open = False
        self._lock = threading.Lock()

    @property
    def is_open(self) -> bool:
        """No call may be made."""
        return self._is_open

    def succeeded(self) -> None:
        """The server has answered."""
        if self._failures:
            with self._lock:
                self._failures = 0

    def failed(self) -> None:
        """The server has given no answer, or a wrong one."""
        with self._lock:
            self._failures += 1
            self._is_open = self._is_open or self._failures >= self._most

    def open(self) -> None:
        """A probe has shown that the server is ill."""
        self._is_open = True

    def close(self) -> None:
        """A probe has shown that the server is well."""
        with self._lock:
            self._failures = 0
            self._is_open = False
