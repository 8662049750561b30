"""Joins task, batches and model: values in, predictions out.

Preprocessing and postprocessing run in the request's thread, the model in the executor's.
"""

import gc
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path

import numpy as np
from structlog.contextvars import bind_contextvars

from service import manifest as manifests
from service.batching import MicroBatcher, Run
from service.errors import DeadlineExceeded
from service.loading import load_first
from service.logs import log
from service.manifest import Arrays, Manifest, ModelVersion
from service.metrics import Metrics
from service.owner import Prediction, Task
from service.preprocessing import Preprocessing
from service.settings import Settings


def load_model(
    folder: Path, manifest: Manifest, *, format_name: str, threads: int
) -> Run[Arrays, Arrays]:
    """Load one artefact, whose file is what was exported; check its answers, and warm it.

    Returns:
        Named arrays of inputs, without a batch axis and of equal shapes, to those of their outputs.

    Raises:
        OwnerError: the artefact cannot be loaded, or does not give the golden outputs.
    """
    from service import runtime  # noqa: PLC0415 - takes seconds, and probes are answered then

    if not gc.get_freeze_count():
        gc.freeze()  # to go through what was imported takes 0.2 s, in which nobody is answered
    artefact = manifest.artefact(format_name)
    predict = runtime.load(folder, manifest, artefact, threads)
    manifests.check_golden(folder, manifest, artefact, predict)
    golden, _ = manifests.read_golden(folder)
    predict({name: array[:1] for name, array in golden.items()})  # warm for a lone input

    names = [tensor.name for tensor in manifest.signature.inputs]

    def run(inputs: Sequence[Arrays]) -> list[Arrays]:
        batch = {name: np.stack([each[name] for each in inputs]) for name in names}
        outputs = predict(batch)
        return [{name: array[i] for name, array in outputs.items()} for i in range(len(inputs))]

    return run


class Pipeline:
    """Predicts with one version of a model, from the moment it is loaded and warm.

    Args:
        settings: which version, and how much at a time.
        metrics: where it counts.
        on_failure: told once when the model cannot be loaded.
        load: loads the model; called in the executor's thread.

    Raises:
        OwnerError: there is no such version.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        on_failure: Callable[[Exception], None],
        load: Callable[..., Run[Arrays, Arrays]] = load_model,
    ) -> None:
        self._folder = manifests.find_version(settings.model_dir, settings.model_version)
        self.manifest = manifests.read(self._folder)
        self._model_version = self.manifest.model_version
        self.format_name = self.manifest.artefact(settings.model_format).format
        self.task = Task(self._folder, self.manifest, settings)
        self.is_draining = False
        self._settings = settings
        self._metrics = metrics
        self._preprocessing = Preprocessing(settings.max_preprocessing)
        self._load = load
        self._batcher = MicroBatcher[Arrays, Arrays](
            self._prepare,
            kind=_shapes,
            max_batch_size=settings.max_batch_size,
            max_queued=settings.max_queued_inputs,
            metrics=metrics,
            on_failure=on_failure,
        )

    @property
    def model_version(self) -> ModelVersion:
        return self._model_version

    def start(self) -> None:
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
        return self._batcher.is_alive and self._batcher.busy_seconds < self._settings.stuck_seconds

    @property
    def is_ready(self) -> bool:
        """The model is loaded and comes back in time, and the service is not about to stop."""
        is_late = self._batcher.busy_seconds > self._settings.request_timeout_seconds
        return self._batcher.is_ready and not (is_late or self.is_draining)

    def predict(
        self, values: Sequence[bytes | str], names: Sequence[str], *, timeout_seconds: float
    ) -> list[Prediction]:
        """Predict all *values* of one request.

        Args:
            values: what the task reads.
            names: where in the request each stands, for errors.
            timeout_seconds: how long the caller waits.

        Raises:
            InvalidInput: one or more cannot be read; names each.
            CallerError: as :meth:`run`.
        """
        deadline = time.monotonic() + timeout_seconds
        with self._metrics.preprocess_seconds.time():
            prepared = self._preprocessing.run(self.task, values, names, deadline)
        outputs = self.run([each.arrays for each in prepared], deadline=deadline)
        return [
            self.task.postprocess(each, output)
            for each, output in zip(prepared, outputs, strict=True)
        ]

    def run(self, arrays: Sequence[Arrays], *, deadline: float) -> list[Arrays]:
        """The model's outputs for *arrays*, each one input without a batch axis.

        Args:
            arrays: as the task prepares them, or as a caller sent them.
            deadline: ``time.monotonic()`` when the caller gives up.

        Raises:
            NotReady, QueueFull, DeadlineExceeded, ModelFailed: as their names say.
        """
        answers = self._batcher.submit(arrays, deadline=deadline)
        try:
            return [answer.result(deadline - time.monotonic()) for answer in answers]
        except FutureTimeoutError:
            raise DeadlineExceeded("No answer in the time that the caller waits.") from None
        finally:
            for answer in answers:  # what is still queued
                answer.cancel()
            for last in answers[-1:]:
                bind_contextvars(**last.times)

    def _prepare(self) -> Run[Arrays, Arrays]:
        started = time.monotonic()
        facts, settings = self.manifest, self._settings

        def load(format_name: str) -> Run[Arrays, Arrays]:
            threads = settings.numeric_threads
            return self._load(self._folder, facts, format_name=format_name, threads=threads)

        self.format_name, model = load_first(self._folder, facts, settings.model_format, load)
        self._metrics.model_info.clear()
        labels = (facts.name, facts.version, facts.task, self.format_name)
        self._metrics.model_info.labels(*labels).set(1)
        seconds = round(time.monotonic() - started, 2)
        log.info("ready", model=str(self._folder), seconds=seconds)
        return model


def _shapes(arrays: Arrays) -> Hashable:
    return tuple(array.shape for array in arrays.values())
