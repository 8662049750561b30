"""One executor a process: sequences join and leave a running batch (continuous batching).

In each round at most ``prefill_tokens`` of new prompts are read, and then every running sequence
gets its next token, so that a long prompt does not halt the others. Knows nothing of texts, HTTP or
machine-learning frameworks: a decoder runs the model.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from math import ceil

from service.errors import NotReady, QueueFull
from service.logs import log
from service.metrics import Metrics
from service.rows import Decoder, Rows
from service.sequences import Answer, Answers, Prompt


class ContinuousBatcher:
    """Continues the prompts of many requests side by side, begun in order of arrival.

    Args:
        prepare: called once in the executor's thread; gives the decoder. What it raises ends the
            executor and goes to *on_failure*.
        max_running: most sequences that run at a time.
        max_queued: most sequences that wait; more are refused.
        prefill_tokens: most tokens of prompts that are read between two tokens of the others.
        metrics: where queue, steps and tokens are counted.
        on_failure: told once when *prepare* raised.
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
        self._prepare = prepare
        self._max_running = max_running
        self._max_queued = max_queued
        self._prefill_tokens = prefill_tokens
        self._metrics = metrics
        self._on_failure = on_failure
        self._queue: deque[Answer] = deque()
        self._changed = threading.Condition()
        self._rows: Rows | None = None  # when the model is there
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="executor", daemon=True)

    def start(self) -> None:
        """Start the executor's thread."""
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
        """*prepare* has returned, and prompts are taken."""
        return self._rows is not None and not self._closed

    @property
    def is_alive(self) -> bool:
        """The thread runs."""
        return self._thread.is_alive()

    @property
    def busy_seconds(self) -> float:
        """How long the present step has taken so far; 0 when idle."""
        return self._rows.busy_seconds if self._rows else 0.0

    def submit(self, prompts: Sequence[Prompt], *, deadline: float) -> Answers:
        """Queue all *prompts* of one request, or none.

        Args:
            prompts: their tokens are all in the model's vocabulary.
            deadline: ``time.monotonic()`` after which nobody waits for the answers.

        Raises:
            NotReady: the executor is not ready, or closed.
            QueueFull: not all of *prompts* find a place.
        """
        answers = Answers(prompts, deadline)
        with self._changed:
            if self._rows is None or self._closed:
                raise NotReady("The model is not ready.", retry_after_seconds=1)
            if len(self._queue) + len(prompts) > self._max_queued:
                self._metrics.shed("queue_full", len(prompts))
                rounds = len(self._queue) / self._max_running
                raise QueueFull(
                    f"{len(self._queue)} inputs wait for the model, and {len(prompts)} more would "
                    f"be over the {self._max_queued} that may.",
                    retry_after_seconds=max(1, ceil(rounds * self._rows.seconds_per_sequence)),
                )
            self._queue.extend(answers.each)
            self._metrics.queued.set(len(self._queue))
            self._changed.notify()
        return answers

    def _work(self) -> None:
        try:
            rows = Rows(self._prepare(), self._metrics.model)
        except Exception as error:  # noqa: BLE001  # whatever it is, the service cannot serve
            self._on_failure(error)
            return
        self._rows = rows
        try:
            while self._wait_for_work(rows):
                self._round(rows)
        except Exception:  # noqa: BLE001  # a fault of ours; /livez says no from now on
            log.exception("executor_ended")
        finally:
            self._closed = True

    def _round(self, rows: Rows) -> None:
        """Let sequences join and leave, and give each that runs one more token."""
        rows.drop_given_up()
        self._drop_waiting()
        self._read_prompts(rows)
        rows.advance()
        self._metrics.model.running.set(rows.running)

    def _wait_for_work(self, rows: Rows) -> bool:
        """Return when there is something to do; false when closed and nothing is left."""
        with self._changed:
            while not (self._queue or rows.running or rows.is_reading):
                if self._closed:
                    return False
                self._changed.wait()
        return True

    def _drop_waiting(self) -> None:
        """Take those out of the queue that nobody waits for any more."""
        with self._changed:
            for answer in list(self._queue):
                if reason := answer.given_up:
                    self._queue.remove(answer)
                    self._metrics.shed(reason)
            self._metrics.queued.set(len(self._queue))

    def _read_prompts(self, rows: Rows) -> None:
        """Read prompts, one after the other, until the round's share of tokens is used up."""
        left = self._prefill_tokens
        while left > 0:
            if not rows.is_reading:
                answer = self._next_waiting() if rows.running < self._max_running else None
                if answer is None:
                    return
                rows.begin(answer)
            left -= rows.read(left)

    def _next_waiting(self) -> Answer | None:
        with self._changed:
            self._drop_waiting()  # the steps of this round may have taken long
            if not self._queue:
                return None
            answer = self._queue.popleft()
            self._metrics.queued.set(len(self._queue))
        self._metrics.wait_seconds.observe(time.monotonic() - answer.since)
        return answer
