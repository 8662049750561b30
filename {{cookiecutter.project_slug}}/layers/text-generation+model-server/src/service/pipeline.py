"""Joins task and model server: prompts in, texts out, piece by piece.

A thread for each sequence takes its tokens from the server; they become text in the request's
thread.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np

from service import manifest as manifests
from service.errors import CallerError, QueueFull
from service.logs import log
from service.manifest import Manifest, ModelVersion
from service.metrics import Metrics
from service.model_server import ModelServer
from service.owner import Task
from service.sampling import Sampling
from service.settings import Settings
from service.texts import (
    Answer,
    Answers,
    Completion,
    Ending,
    FinishReason,
    Generation,
    Prompt,
    TextStream,
    to_prompt,
)
from service.upstream import PROBE_SECONDS, Server, Upstream, Watch, WrongModel


class GeneratingServer(Server, Protocol):
    """A client of a model server that generates."""

    def generate(
        self, prompt: Prompt, *, timeout_seconds: float
    ) -> "Generator[int | FinishReason]":
        """The tokens that follow *prompt*, and at last why there are no more.

        To be closed, so that the server hears that nobody waits.

        Raises:
            ServerError: there is no answer within the time, or it is none.
        """


class Pipeline:
    """Continues texts with one version of a model, while the model server does.

    Args:
        settings: which version, and where the server is.
        metrics: where it counts.
        on_failure: told once when a bug has ended the watch over the server.
        connect: makes the server's client.

    Raises:
        OwnerError: there is no such version.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        on_failure: Callable[[Exception], None],
        connect: Callable[[Settings, Manifest], GeneratingServer] = ModelServer,
    ) -> None:
        self.folder = manifests.find_version(settings.model_dir, settings.model_version)
        self.manifest = manifests.read(self.folder)
        self.task = Task(self.folder, self.manifest, settings)
        self.server = connect(settings, self.manifest)
        self.is_draining = False
        self._settings = settings
        self._metrics = metrics
        self._running = 0
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(settings.max_running_sequences, "sequence")
        self._upstream = Upstream(
            metrics,
            failures=settings.circuit_failures,
            patience_seconds=settings.request_timeout_seconds / 2,
        )
        self._watch = Watch(
            self.folder,
            self.manifest,
            metrics,
            self._upstream,
            server=self.server,
            check_model=self._check_model,
            on_failure=on_failure,
        )

    @property
    def model_version(self) -> ModelVersion:
        """Which model answers."""
        return self.manifest.model_version

    def start(self) -> None:
        """Begin to watch over the server; returns at once."""
        self._watch.start()

    def drain(self) -> None:
        """Say "not ready" from now on, but go on answering."""
        self.is_draining = True
        log.info("draining")

    def close(self) -> None:
        """Wait for the running sequences, then stop calling the server."""
        self._threads.shutdown()
        self._watch.close()
        self.server.close()

    @property
    def is_live(self) -> bool:
        """The watch over the server goes on, whatever it finds."""
        return self._watch.is_live

    @property
    def is_ready(self) -> bool:
        """The server has the right model and is well, and the service is not about to stop."""
        return self._watch.is_ready and not self.is_draining

    def generate(self, generations: Sequence[Generation], *, timeout_seconds: float) -> TextStream:
        """Begin all *generations* of one request, or none.

        Raises:
            InvalidInput: a prompt has tokens that the model does not know, or too many.
            NotReady, ModelServerUnavailable, QueueFull: as their names say.
        """
        deadline = time.monotonic() + timeout_seconds
        prompts = [
            to_prompt(generation, self.task, self._settings.max_new_tokens)
            for generation in generations
        ]
        self._watch.check()
        self._take_places(len(prompts))
        answers = Answers(prompts, deadline)
        for answer in answers.each:
            self._threads.submit(self._follow, answer, deadline)
        return TextStream(answers, generations, self.task.tokenizer)

    def complete(
        self, generations: Sequence[Generation], *, timeout_seconds: float
    ) -> list[Completion]:
        """The whole texts; errors are those of :meth:`generate` and ``TextStream``."""
        return self.generate(generations, timeout_seconds=timeout_seconds).completions()

    def _check_model(self) -> None:
        """Compare what follows the golden prompts, as ``Watch`` says."""
        inputs, outputs = manifests.read_golden(self.folder)
        for row in np.flatnonzero(inputs["lengths"] == 0):
            expected = int(outputs["logits"][row].argmax())
            prompt = Prompt(inputs["tokens"][row].tolist(), Sampling(), 1, frozenset())
            with contextlib.closing(
                self.server.generate(prompt, timeout_seconds=PROBE_SECONDS)
            ) as items:
                found = next(items)
            if found != expected:
                raise WrongModel(
                    f"golden prompt {row} is followed by token {found}, by {expected} was expected"
                )

    def _take_places(self, count: int) -> None:
        """Make room for *count* sequences, or for none."""
        most = self._settings.max_running_sequences
        with self._lock:
            if self._running + count > most:
                raise QueueFull(
                    f"{self._running} texts are being generated, and {count} more would be over "
                    f"the {most} that may.",
                    retry_after_seconds=1,
                )
            self._running += count
            self._metrics.running.set(self._running)

    def _follow(self, answer: Answer, deadline: float) -> None:
        """Give *answer* its tokens as they come, to the end."""
        ending: Ending = "failed"
        try:
            ending = answer.given_up or self._give(answer, deadline)
        except CallerError as error:
            answer.put(error)
        except Exception as error:  # noqa: BLE001  # a bug; the waiting caller has to hear of it
            log.exception("sequence_failed", error=repr(error))
            answer.put(CallerError("Something went wrong here."))
        finally:
            self._metrics.endings.labels(ending).inc()
            with self._lock:
                self._running -= 1
                self._metrics.running.set(self._running)

    def _give(self, answer: Answer, deadline: float) -> Ending:
        """Hand tokens on until the end, or until nobody waits; gives the ending."""
        metrics, prompt = self._metrics, answer.prompt
        with (
            self._upstream.call(deadline) as seconds,
            contextlib.closing(self.server.generate(prompt, timeout_seconds=seconds)) as items,
        ):
            for number, item in enumerate(items):
                if ending := answer.given_up:
                    return ending
                if number == 0:
                    metrics.prompt_tokens.inc(len(prompt.tokens))
                    metrics.first_token_seconds.observe(time.monotonic() - answer.since)
                answer.put(item)
                if isinstance(item, str):
                    return item
                metrics.generated_tokens.inc()
        raise AssertionError("a stream ends with its reason")
