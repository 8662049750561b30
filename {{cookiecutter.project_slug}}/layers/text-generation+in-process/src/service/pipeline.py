"""Joins task, queue and model: prompts in, texts out, piece by piece.

Tokens become text in the request's thread; the executor's thread runs the model.
"""

import gc
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from service import manifest as manifests
from service.batching import ContinuousBatcher
from service.generation import Decoder
from service.loading import load_first
from service.logs import log
from service.manifest import Manifest, ModelVersion
from service.metrics import Metrics
from service.owner import Task
from service.settings import Settings
from service.texts import Generation, TextStream, to_prompt


def load_model(
    folder: Path,
    manifest: Manifest,
    *,
    format_name: str,
    threads: int,
    rows: int,
    context_tokens: int,
) -> Decoder:
    """Load one artefact, whose file is what was exported; check its answers, and warm it.

    Raises:
        OwnerError: the artefact cannot be loaded, or does not give the golden outputs.
    """
    # Their framework takes seconds to import, in which probes are answered.
    from service import runtime  # noqa: PLC0415
    from service.model import Model  # noqa: PLC0415

    if not gc.get_freeze_count():
        gc.freeze()  # to go through what was imported takes 0.2 s, in which nobody is answered
    artefact = manifest.artefact(format_name)
    graph = runtime.load_graph(folder, manifest, artefact, threads)
    predict = runtime.predictor(graph, manifest.signature)
    manifests.check_golden(folder, manifest, artefact, predict)
    model = Model(graph, manifest.signature, rows, context_tokens)
    # The first prompt, and the first token in all rows, take longer than others.
    model.step(0, np.zeros((1, 2), np.int64), np.zeros(1, np.int64))
    model.step(0, np.zeros((rows, 1), np.int64), np.zeros(rows, np.int64))
    return model


class Pipeline:
    """Continues texts with one version of a model, from the moment it is loaded and warm.

    Args:
        settings: which version, and how much at a time.
        metrics: where it counts.
        on_failure: told once when the model cannot be loaded.
        load: makes the model; called in the executor's thread.

    Raises:
        OwnerError: there is no such version.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        on_failure: Callable[[Exception], None],
        load: Callable[..., Decoder] = load_model,
    ) -> None:
        self._folder = manifests.find_version(settings.model_dir, settings.model_version)
        self.manifest = manifests.read(self._folder)
        self.task = Task(self._folder, self.manifest, settings)
        self.is_draining = False
        self._settings = settings
        self._metrics = metrics
        self._load = load
        self._batcher = ContinuousBatcher(
            self._prepare,
            max_running=settings.max_running_sequences,
            max_queued=settings.max_queued_inputs,
            prefill_tokens=settings.prefill_tokens,
            metrics=metrics,
            on_failure=on_failure,
        )

    @property
    def model_version(self) -> ModelVersion:
        """Which model answers."""
        return self.manifest.model_version

    def start(self) -> None:
        """Load the model in the executor's thread; returns at once."""
        self._batcher.start()

    def drain(self) -> None:
        """Say "not ready" from now on, but go on answering."""
        self.is_draining = True
        log.info("draining")

    def close(self) -> None:
        """Answer what waits, then stop."""
        self._batcher.close()

    @property
    def is_live(self) -> bool:
        """The executor runs and is not stuck."""
        return self._batcher.is_alive and self._batcher.busy_seconds < self._settings.stuck_seconds

    @property
    def is_ready(self) -> bool:
        """The model is loaded and comes back in time, and the service is not about to stop."""
        is_late = self._batcher.busy_seconds > self._settings.request_timeout_seconds
        return self._batcher.is_ready and not (is_late or self.is_draining)

    def generate(self, generations: Sequence[Generation], *, timeout_seconds: float) -> TextStream:
        """Begin all *generations* of one request, or none.

        Raises:
            InvalidInput: a prompt has tokens that the model does not know, or too many.
            NotReady, QueueFull: as their names say.
        """
        deadline = time.monotonic() + timeout_seconds
        prompts = [
            to_prompt(generation, self.task, self._settings.max_new_tokens)
            for generation in generations
        ]
        answers = self._batcher.submit(prompts, deadline=deadline)
        return TextStream(answers, generations, self.task.tokenizer)

    def _prepare(self) -> Decoder:
        started = time.monotonic()
        settings, facts = self._settings, self.manifest

        def load(format_name: str) -> Decoder:
            return self._load(
                self._folder,
                facts,
                format_name=format_name,
                threads=settings.numeric_threads,
                rows=settings.max_running_sequences,
                context_tokens=self.task.context_tokens,
            )

        format_name, model = load_first(self._folder, facts, settings.model_format, load)
        self._metrics.model_info.clear()
        self._metrics.model_info.labels(facts.name, facts.version, facts.task, format_name).set(1)
        seconds = round(time.monotonic() - started, 2)
        log.info("ready", model=str(self._folder), seconds=seconds)
        return model
