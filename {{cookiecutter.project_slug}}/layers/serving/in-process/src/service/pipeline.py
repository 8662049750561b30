"""Joins task, executor and model: values in, predictions out.

Preprocessing and postprocessing run in the request's thread, the model in the executor's.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError

from service import manifest as manifests
from service.batching import MicroBatcher, Run
from service.errors import DeadlineExceeded, FieldError, InvalidInput
from service.inputs import Inputs
from service.logs import log
from service.manifest import Arrays
from service.metrics import Metrics
from service.model import LoadModel, Model, kind
from service.schemas import ModelVersion, Prediction
from service.settings import Settings
from service.task import BadValue, Task
from service.threads import available_cpus


class Pipeline:
    """Answers predictions from the moment its model is loaded and warm.

    Args:
        settings: which model, and how much at a time.
        metrics: where it counts.
        on_failure: told once when the model cannot be loaded.
        load: makes the model from its folder; called in the executor's thread.

    Raises:
        OwnerError: there is no such model, or it was made for another task.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        on_failure: Callable[[Exception], None],
        load: LoadModel = Model,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._load_model = load
        self._folder = manifests.find_version(settings.model_dir, settings.model_version)
        self.manifest = manifests.read(self._folder)
        self.task = Task(self.manifest, settings)
        self._draining = False
        self._batcher = MicroBatcher[Arrays, Arrays](
            self._prepare,
            kind=kind,
            max_batch_size=settings.max_batch_size,
            max_queued=settings.max_queued_inputs,
            metrics=metrics,
            on_failure=on_failure,
        )

    def start(self) -> None:
        """Load the model in the executor's thread; returns at once."""
        self._batcher.start()

    def drain(self) -> None:
        """Say "not ready" from now on, but go on answering."""
        self._draining = True
        self._metrics.ready.set(0)
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
        """The model is loaded and warm, and the service is not about to stop."""
        return self._batcher.is_ready and not self._draining

    @property
    def is_draining(self) -> bool:
        """The service is about to stop."""
        return self._draining

    @property
    def model_version(self) -> ModelVersion:
        """Which model answers."""
        return ModelVersion(name=self.manifest.name, version=self.manifest.version)

    def predict(self, inputs: Inputs, *, timeout_seconds: float) -> list[Prediction]:
        """Predict all *inputs* of one request.

        Raises:
            InvalidInput: one or more cannot be read; names each.
            NotReady, QueueFull, DeadlineExceeded, ModelFailed: as their names say.
        """
        deadline = time.monotonic() + timeout_seconds
        with self._metrics.preprocess_seconds.time():
            arrays = self._preprocess(inputs)
        answers = self._batcher.submit(arrays, deadline=deadline)
        try:
            outputs = [answer.result(deadline - time.monotonic()) for answer in answers]
        except FutureTimeoutError:
            raise DeadlineExceeded(f"No answer within {timeout_seconds:g} seconds.") from None
        finally:
            cancel(answers)
        return [self.task.postprocess(each) for each in outputs]

    def _preprocess(self, inputs: Inputs) -> list[Arrays]:
        arrays = []
        wrong = []
        for name, value in zip(inputs.names, inputs.values, strict=True):
            try:
                arrays.append(self.task.preprocess(value))
            except BadValue as error:
                wrong.append(FieldError(name, str(error)))
        if wrong:
            raise InvalidInput(f"{wrong[0].field}: {wrong[0].detail}", fields=wrong)
        return arrays

    def _prepare(self) -> Run[Arrays, Arrays]:
        started = time.monotonic()
        settings = self._settings
        model = self._load_model(
            self._folder,
            self.manifest,
            format_name=settings.model_format,
            threads=settings.model_threads or available_cpus(),
        )
        self._metrics.model_info.labels(
            self.manifest.name, self.manifest.version, self.manifest.task, model.format_name
        ).set(1)
        self._metrics.ready.set(1)
        log.info("ready", model=str(self._folder), seconds=round(time.monotonic() - started, 2))
        return model.predict


def cancel(answers: Sequence["Future[Arrays]"]) -> None:
    """Drop what is still queued of a request that nobody waits for."""
    for answer in answers:
        answer.cancel()
