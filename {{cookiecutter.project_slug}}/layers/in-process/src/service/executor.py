"""The thread that runs the model, and the queue in front of it. Knows nothing of models or HTTP."""

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from math import ceil
from typing import Generic, TypeVar

from service.errors import NotReady, QueueFull
from service.logs import log
from service.metrics import Metrics

Prepared = TypeVar("Prepared")
Waiting = TypeVar("Waiting")


class Executor(ABC, Generic[Prepared, Waiting]):
    """Runs what waits in its queue, until it is closed.

    Args:
        prepare: called once in the executor's thread; what it gives runs the work. What it raises
            ends the executor and goes to *on_failure*.
        max_queued: most inputs that wait; more are refused.
        metrics: where the queue is counted.
        on_failure: told once when *prepare* raised.
    """

    def __init__(
        self,
        prepare: Callable[[], Prepared],
        *,
        max_queued: int,
        metrics: Metrics,
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._prepare = prepare
        self._max_queued = max_queued
        self._metrics = metrics
        self._on_failure = on_failure
        self._queue: deque[Waiting] = deque()
        self._changed = threading.Condition()
        self._ready = False
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="executor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Finish what runs and what is queued, take no more, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def is_ready(self) -> bool:
        """*prepare* has returned, and work is taken."""
        return self._ready and not self._closed

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    @property
    @abstractmethod
    def busy_seconds(self) -> float:
        """How long the present run of the model has taken so far; 0 when idle."""

    @abstractmethod
    def _run(self, prepared: Prepared) -> None:
        """Do what is queued; return when closed and nothing is left."""

    @abstractmethod
    def _seconds_until_served(self, count: int) -> float:
        """How long the last of *count* more inputs would wait, as measured."""

    def _enqueue(self, waiting: Sequence[Waiting], deadline: float) -> None:
        """Queue all of *waiting*, or none.

        Raises:
            NotReady: the executor is not ready, or closed.
            QueueFull: not all of *waiting* find a place, or would be served after *deadline*.
        """
        with self._changed:
            if not self.is_ready:
                raise NotReady("The model is not ready.", retry_after_seconds=1)
            seconds = self._seconds_until_served(len(waiting))
            is_full = len(self._queue) + len(waiting) > self._max_queued
            if is_full or time.monotonic() + seconds > deadline:
                self._metrics.shed.labels("queue_full").inc(len(waiting))
                raise QueueFull(
                    f"{len(self._queue)} inputs wait for the model, {self._max_queued} may, and "
                    f"{len(waiting)} more would wait for {seconds:.1f} seconds.",
                    retry_after_seconds=max(1, ceil(seconds)),
                )
            self._queue.extend(waiting)
            self._metrics.queued.set(len(self._queue))
            self._changed.notify()

    def _work(self) -> None:
        try:
            prepared = self._prepare()
        except Exception as error:  # noqa: BLE001  # whatever it is, the service cannot serve
            self._on_failure(error)
            return
        self._ready = True
        try:
            self._run(prepared)
        except Exception:  # noqa: BLE001  # a bug; /livez fails from now on
            log.exception("executor_ended")
        finally:
            self._closed = True
