"""The queue in front of the running batch. Knows nothing of texts, HTTP or how a model runs."""

import time
from collections.abc import Callable, Sequence

from service.executor import Executor
from service.generation import Decoder, Rows
from service.metrics import Metrics
from service.texts import Answer, Answers, Prompt


class ContinuousBatcher(Executor[Decoder, Answer]):
    """Continues the prompts of many requests side by side, begun in order of arrival.

    *prepare* gives the decoder. At most *max_running* sequences run at a time and *max_queued*
    wait; *prefill_tokens* is as ``Rows`` says, and the rest as ``Executor`` does.
    """

    def __init__(
        self,
        prepare: Callable[[], Decoder],
        *,
        max_running: int,
        max_queued: int,
        prefill_tokens: int,
        metrics: Metrics,
        on_failure: Callable[[Exception], None],
    ) -> None:
        super().__init__(prepare, max_queued=max_queued, metrics=metrics, on_failure=on_failure)
        self._max_running = max_running
        self._prefill_tokens = prefill_tokens
        self._rows: Rows | None = None  # when the model is there

    @property
    def busy_seconds(self) -> float:
        """How long the present step has taken so far; 0 when idle."""
        return self._rows.busy_seconds if self._rows else 0.0

    def submit(self, prompts: Sequence[Prompt], *, deadline: float) -> Answers:
        """Queue all *prompts* of one request, or none, until *deadline* of ``time.monotonic()``.

        Raises:
            NotReady: the executor is not ready, or closed.
            QueueFull: not all of *prompts* find a place, or one in time.
        """
        answers = Answers(prompts, deadline)
        self._enqueue(answers.each, deadline)
        return answers

    def _seconds_until_served(self, count: int) -> float:
        seconds = self._rows.seconds_per_sequence if self._rows else 0.0
        return (len(self._queue) + count - 1) / self._max_running * seconds

    def _run(self, prepared: Decoder) -> None:
        self._rows = rows = Rows(
            prepared, self._metrics, most=self._max_running, prefill_tokens=self._prefill_tokens
        )
        while self._wait_for_work(rows):
            self._drop_given_up()
            rows.round(self._next_waiting)

    def _wait_for_work(self, rows: Rows) -> bool:
        """Return when there is something to do; false when closed and nothing is left."""
        with self._changed:
            while not (self._queue or rows.running or rows.is_reading):
                if self._closed:
                    return False
                self._changed.wait()
        return True

    def _drop_given_up(self) -> None:
        """Remove those from the queue whose callers gave up."""
        with self._changed:
            for answer in list(self._queue):
                if reason := answer.given_up:
                    self._queue.remove(answer)
                    self._metrics.shed.labels(reason).inc()
            self._metrics.queued.set(len(self._queue))

    def _next_waiting(self) -> Answer | None:
        with self._changed:
            self._drop_given_up()  # the steps of this round may have taken long
            if not self._queue:
                return None
            answer = self._queue.popleft()
            self._metrics.queued.set(len(self._queue))
        waited = time.monotonic() - answer.since
        self._metrics.wait_seconds.observe(waited)
        answer.times["queue_milliseconds"] = round(waited * 1000, 2)
        return answer
