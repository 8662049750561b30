"""The model of one version in this process, and the batches that requests share."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError

from service.batching import MicroBatcher, Run
from service.errors import DeadlineExceeded
from service.hosting import HostedModel
from service.manifest import Arrays
from service.metrics import Metrics
from service.model import LoadModel, Model, kind
from service.settings import Settings
from service.task import Task


class Predictor(HostedModel):
    """Answers arrays from the moment its model is loaded and warm.

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
        super().__init__(settings, metrics)
        self.task = Task(self.folder, self.manifest, settings)
        self._load_model = load
        self._batcher = MicroBatcher[Arrays, Arrays](
            self._prepare,
            kind=kind,
            max_batch_size=settings.max_batch_size,
            max_queued=settings.max_queued_inputs,
            metrics=metrics,
            on_failure=on_failure,
        )
        self.executor = self._batcher

    @property
    def format_name(self) -> str:
        """Which of the model's artefacts answers."""
        return self.manifest.artefact(self.settings.model_format).format

    def run(self, arrays: Sequence[Arrays], *, deadline: float) -> list[Arrays]:
        """The model's outputs for *arrays*, each one input without a batch axis.

        Args:
            arrays: as the task prepares them, or as a caller sent them.
            deadline: ``time.monotonic()`` after which nobody waits.

        Raises:
            NotReady, QueueFull, DeadlineExceeded, ModelFailed: as their names say.
        """
        answers = self._batcher.submit(arrays, deadline=deadline)
        try:
            return [answer.result(deadline - time.monotonic()) for answer in answers]
        except FutureTimeoutError:
            raise DeadlineExceeded("No answer in the time that the caller waits.") from None
        finally:
            cancel(answers)

    def _prepare(self) -> Run[Arrays, Arrays]:
        started = time.monotonic()
        model = self._load_model(
            self.folder,
            self.manifest,
            format_name=self.settings.model_format,
            threads=self.settings.numeric_threads,
        )
        self.tell_ready(model.format_name, time.monotonic() - started)
        return model.predict


def cancel(answers: Sequence["Future[Arrays]"]) -> None:
    """Drop what is still queued of a request that nobody waits for."""
    for answer in answers:
        answer.cancel()
