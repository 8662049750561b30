"""How many retries there may be, so that they never double the load of a server that is ill.

Each answer earns a part of a retry, each retry costs one (as gRPC's retry throttling does:
https://github.com/grpc/proposal/blob/master/A6-client-retries.md#throttling-retry-attempts-and-hedged-rpcs).
"""

import threading

_MOST = 10.0
"""Retries that can be saved up; so many there may be at the start."""
_EARNED = 0.1
"""Retries that one answer earns: in the long run at most one call in eleven is a retry."""


class RetryBudget:
    """Retries that are left. Used by many threads."""

    def __init__(self) -> None:
        self._left = _MOST
        self._lock = threading.Lock()

    def earn(self) -> None:
        """Count an answer."""
        with self._lock:
            self._left = min(_MOST, self._left + _EARNED)

    def take(self) -> bool:
        """Take one retry; false when none is left."""
        with self._lock:
            if self._left < 1:
                return False
            self._left -= 1
            return True
