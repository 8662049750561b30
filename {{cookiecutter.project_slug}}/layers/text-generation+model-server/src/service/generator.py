"""The model of one version behind a model server, which continues tokens."""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from service import manifest as manifests
from service.errors import CallerError, QueueFull
from service.hosting import PROBE_SECONDS, HostedModel, WrongModel
from service.logs import log
from service.metrics import Metrics
from service.model_server import ModelServer
from service.sampling import Sampling
from service.texts import Answer, Answers, Ending, Prompt
from service.server_interface import Connect
from service.settings import Settings


class Generator(HostedModel):
    """Continues tokens while the model server does.

    A thread for each sequence takes its tokens from the server.

    Args and errors are those of ``HostedModel``.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        on_failure: Callable[[Exception], None],
        connect: Connect = ModelServer,
    ) -> None:
        super().__init__(settings, metrics, on_failure, connect)
        self._running = 0
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(settings.max_running_sequences, "sequence")

    def submit(self, prompts: Sequence[Prompt], *, deadline: float) -> Answers:
        """Begin to continue all *prompts* of one request, or none.

        Args:
            prompts: their tokens are all in the model's vocabulary.
            deadline: ``time.monotonic()`` when the caller gives up.

        Raises:
            NotReady, ModelServerUnavailable, QueueFull: as their names say.
        """
        self.check_known()
        self._take_places(len(prompts))
        answers = Answers(prompts, deadline)
        for answer in answers.each:
            self._threads.submit(self._follow, answer, deadline)
        return answers

    def check_model(self) -> None:
        """Ask what follows the golden prompts, and compare, as ``HostedModel`` says."""
        inputs, outputs = manifests.read_golden(self.folder)
        for row in np.flatnonzero(inputs["lengths"] == 0):
            expected = int(outputs["logits"][row].argmax())
            prompt = Prompt(inputs["tokens"][row].tolist(), Sampling(), 1, frozenset())
            found = self._first_token(prompt)
            if found != expected:
                raise WrongModel(
                    f"golden prompt {row} is followed by token {found}, by {expected} was expected"
                )

    def close(self) -> None:
        """Wait for the running sequences, then stop calling the server."""
        self._threads.shutdown()
        super().close()

    def _first_token(self, prompt: Prompt) -> int | str:
        items = self.server.generate(prompt, timeout_seconds=PROBE_SECONDS)
        with contextlib.closing(items):
            return next(items)

    def _take_places(self, count: int) -> None:
        """Make room for *count* sequences, or for none."""
        most = self.settings.max_running_sequences
        with self._lock:
            if self._running + count > most:
                raise QueueFull(
                    f"{self._running} texts are being generated, and {count} more would be over "
                    f"the {most} that may.",
                    retry_after_seconds=1,
                )
            self._running += count
            self.metrics.running.set(self._running)

    def _follow(self, answer: Answer, deadline: float) -> None:
        """Let *answer* have its tokens as they come, to the end."""
        ending: Ending = "failed"
        try:
            ending = self._give(answer, deadline)
        except CallerError as error:
            answer.put(error)
        except Exception as error:  # noqa: BLE001  # a bug; the waiting caller has to hear of it
            log.exception("sequence_failed", error=repr(error))
            answer.put(CallerError("Something went wrong here."))
        finally:
            self.metrics.endings.labels(ending).inc()
            with self._lock:
                self._running -= 1
                self.metrics.running.set(self._running)

    def _give(self, answer: Answer, deadline: float) -> Ending:
        """Hand tokens on until the end, or until nobody waits; gives the ending."""
        if ending := answer.given_up:
            return ending
        metrics = self.metrics
        prompt = answer.prompt
        items = self.upstream.stream(
            lambda seconds: self.server.generate(prompt, timeout_seconds=seconds),
            deadline=deadline,
        )
        with contextlib.closing(items):
            is_first = True
            for item in items:
                if ending := answer.given_up:
                    return ending
                if is_first:
                    metrics.prompt_tokens.inc(len(prompt.tokens))
                    metrics.first_token_seconds.observe(time.monotonic() - answer.since)
                    is_first = False
                answer.put(item)
                if isinstance(item, str):
                    return item
                metrics.generated_tokens.inc()
        raise AssertionError("a stream ends with its reason")
