"""One executor a process: takes what is waiting, runs it as one batch.

Knows nothing of models or HTTP: *run* maps a list of inputs to a list of outputs. There is no
fixed delay: a lone input runs at once, and batches form while the executor is busy.
"""

import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from service import tracing
from service.errors import DeadlineExceeded, ModelFailed
from service.executor import Executor
from service.logs import log
from service.metrics import Metrics

In = TypeVar("In")
Out = TypeVar("Out")

Run = Callable[[Sequence[In]], Sequence[Out]]

_SMOOTHING = 0.1
"""Weight of the newest batch in the measured time per input."""


class Answer(Future[Out]):
    """An input's output, when it is there."""

    def __init__(self) -> None:
        super().__init__()
        self.times: dict[str, float] = {}
        """For the log: what is known of the input's wait, and of the run that it had a part in."""


@dataclass
class _Waiting(Generic[In, Out]):
    value: In
    deadline: float
    since: float = field(default_factory=time.monotonic)
    answer: Answer[Out] = field(default_factory=Answer)
    span: Any = field(default_factory=tracing.current)
    """Of its request, where that is traced."""


class MicroBatcher(Executor[Run[In, Out], _Waiting[In, Out]], Generic[In, Out]):
    """Runs inputs of many requests in shared batches, in order of arrival.

    Args:
        prepare: as ``Executor`` says; returns *run*.
        kind: inputs of one kind can share a batch, such as arrays of one shape.
        max_batch_size: most inputs in one run.
        max_queued: most inputs that wait; more are refused.
        metrics: where queue, batches and waits are counted.
        on_failure: told once when *prepare* raised.
    """

    def __init__(
        self,
        prepare: Callable[[], Run[In, Out]],
        *,
        kind: Callable[[In], Hashable],
        max_batch_size: int,
        max_queued: int,
        metrics: Metrics,
        on_failure: Callable[[Exception], None],
    ) -> None:
        super().__init__(prepare, max_queued=max_queued, metrics=metrics, on_failure=on_failure)
        self._kind = kind
        self._max_batch_size = max_batch_size
        self._running_since: float | None = None
        self._running_inputs = 0
        self._seconds_per_input = 0.0

    @property
    def busy_seconds(self) -> float:
        """How long the present run has taken so far; 0 when idle."""
        since = self._running_since
        return 0.0 if since is None else time.monotonic() - since

    def submit(self, values: Sequence[In], *, deadline: float) -> list[Answer[Out]]:
        """Queue all *values*, or none.

        Args:
            values: inputs of one request.
            deadline: ``time.monotonic()`` when the caller gives up.

        Returns:
            A future for each, in order. A cancelled one is not run.

        Raises:
            NotReady: the executor is not ready, or closed.
            QueueFull: not all of *values* find a place, or one in time.
        """
        waiting = [_Waiting[In, Out](value, deadline) for value in values]
        self._enqueue(waiting, deadline)
        return [each.answer for each in waiting]

    def _seconds_until_served(self, count: int) -> float:
        """To the end of its run, which as many may join as wait now, up to a whole batch."""
        waiting = len(self._queue)
        if not waiting and self._running_since is None:
            return 0.0  # a model that was slow once is asked, and measured, again
        inputs = waiting + count + min(waiting, self._max_batch_size)
        running = self._running_inputs * self._seconds_per_input - self.busy_seconds
        return inputs * self._seconds_per_input + max(0.0, running)

    def _run(self, prepared: Run[In, Out]) -> None:
        while batch := self._next_batch():
            self._running_since, self._running_inputs = time.monotonic(), len(batch)
            self._answer(prepared, batch)
            self._learn(time.monotonic() - self._running_since, len(batch))
            self._running_since, self._running_inputs = None, 0

    def _next_batch(self) -> list[_Waiting[In, Out]]:
        """The next inputs to run; empty when closed and nothing waits."""
        with self._changed:
            while True:
                while not self._queue and not self._closed:
                    self._changed.wait()
                if not self._queue:
                    return []
                batch = self._take()
                self._metrics.queued.set(len(self._queue))
                if batch:
                    return batch

    def _take(self) -> list[_Waiting[In, Out]]:
        """Take inputs of the first one's kind; drop those whose callers gave up."""
        now = time.monotonic()
        batch: list[_Waiting[In, Out]] = []
        left: deque[_Waiting[In, Out]] = deque()
        kind: Hashable = None
        while self._queue and len(batch) < self._max_batch_size:
            each = self._queue.popleft()
            if batch and self._kind(each.value) != kind:
                left.append(each)
                continue
            if not each.answer.set_running_or_notify_cancel():
                self._metrics.shed.labels("cancelled").inc()
                continue
            if each.deadline <= now:
                self._metrics.shed.labels("deadline").inc()
                each.answer.set_exception(
                    DeadlineExceeded("The request waited for the model until its deadline.")
                )
                continue
            kind = self._kind(each.value)
            batch.append(each)
            waited = now - each.since
            self._metrics.wait_seconds.observe(waited)
            each.answer.times["queue_milliseconds"] = round(waited * 1000, 2)
        self._queue.extendleft(reversed(left))
        return batch

    def _answer(self, run: Run[In, Out], batch: list[_Waiting[In, Out]]) -> None:
        """Run *batch*; if that fails, each input alone, so that a poisoned one fails alone."""
        with tracing.batch([each.span for each in batch]):
            outputs = self._try(run, batch)
        if outputs is not None:
            for each, output in zip(batch, outputs, strict=True):
                each.answer.set_result(output)
        elif len(batch) == 1:
            batch[0].answer.set_exception(ModelFailed("The model failed on this input."))
        else:
            for each in batch:
                self._answer(run, [each])

    def _try(self, run: Run[In, Out], batch: list[_Waiting[In, Out]]) -> Sequence[Out] | None:
        started = time.monotonic()
        try:
            outputs = run([each.value for each in batch])
        except Exception as error:  # noqa: BLE001  # a model may raise anything
            tracing.failed(error)
            log.exception("batch_failed", size=len(batch))
            self._metrics.batch_failures.inc()
            return None
        if len(outputs) != len(batch):
            log.error("batch_failed", size=len(batch), outputs=len(outputs))
            self._metrics.batch_failures.inc()
            return None
        seconds, size = time.monotonic() - started, len(batch)
        self._metrics.batch_seconds.observe(seconds)
        self._metrics.batch_size.observe(size)
        for each in batch:
            each.answer.times.update(model_milliseconds=round(seconds * 1000, 2), batch=size)
        return outputs

    def _learn(self, seconds: float, size: int) -> None:
        newest = seconds / size
        known = self._seconds_per_input or newest
        self._seconds_per_input = known + _SMOOTHING * (newest - known)
