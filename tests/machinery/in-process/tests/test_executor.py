"""The thread that runs the model: what becomes of it when its work itself is at fault."""

import time
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.errors import NotReady
from service.executor import Executor
from service.metrics import Metrics


class Faulty(Executor[str, str]):
    """Raises when it is given work."""

    busy_seconds = 0.0

    def _run(self, prepared: str) -> None:
        with self._changed:
            while not self._queue and not self._closed:
                self._changed.wait()
        if self._queue:
            raise RuntimeError(prepared)

    def _seconds_until_served(self, count: int) -> float:  # noqa: ARG002
        return 0.0

    def give(self, work: str) -> None:
        self._enqueue([work], float("inf"))


def started(**options: Any) -> Faulty:
    chosen: dict[str, Any] = {"on_failure": lambda _: None, "max_queued": 2, "metrics": Metrics()}
    executor = Faulty(lambda: "prepared", **chosen | options)
    executor.start()
    until = time.monotonic() + 5
    while not executor.is_ready and time.monotonic() < until:
        time.sleep(0.001)
    return executor


def test_a_fault_ends_the_executor_which_takes_no_more_and_can_be_closed() -> None:
    failures: list[Exception] = []
    with capture_logs() as logs:
        executor = started(on_failure=failures.append)
        assert executor.is_ready
        executor.give("work")
        executor._thread.join(5)  # noqa: SLF001  # there is nothing to wait for but its end

    assert not executor.is_alive
    assert not executor.is_ready
    with pytest.raises(NotReady):
        executor.give("more")
    assert [entry["event"] for entry in logs] == ["executor_ended"]
    assert failures == []  # told of a model that cannot be loaded, not of this
    executor.close()
