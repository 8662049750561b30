"""The model of one version in this process, and the batches that requests share."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError

from service.batching import MicroBatcher, Run
from service.errors import DeadlineExceeded
from service.hosting import HostedModel
from service.manifest import Arrays
from service.model import kind


class Predictor(HostedModel):
    """Answers arrays from the moment its model is loaded and warm.

    Args and errors are those of ``HostedModel``.
    """

    executor: MicroBatcher[Arrays, Arrays]

    def make_executor(
        self, on_failure: Callable[[Exception], None]
    ) -> MicroBatcher[Arrays, Arrays]:
        """Batches, as ``HostedModel`` says."""
        return MicroBatcher[Arrays, Arrays](
            self._prepare,
            kind=kind,
            max_batch_size=self.settings.max_batch_size,
            max_queued=self.settings.max_queued_inputs,
            metrics=self.metrics,
            on_failure=on_failure,
        )

    @property
    def format_name(self) -> str:
        """Which of the model's artefacts answers."""
        return self.manifest.artefact(self.settings.model_format).format

    def run(self, arrays: Sequence[Arrays], *, deadline: float) -> list[Arrays]:
        """The model's outputs for *arrays*, each one input without a batch axis.

        Args:
            arrays: as the task prepares them, or as a caller sent them.
            deadline: ``time.monotonic()`` when the caller gives up.

        Raises:
            NotReady, QueueFull, DeadlineExceeded, ModelFailed: as their names say.
        """
        answers = self.executor.submit(arrays, deadline=deadline)
        try:
            return [answer.result(deadline - time.monotonic()) for answer in answers]
        except FutureTimeoutError:
            raise DeadlineExceeded("No answer in the time that the caller waits.") from None
        finally:
            cancel(answers)

    def _prepare(self) -> Run[Arrays, Arrays]:
        return self.load_model().predict


def cancel(answers: Sequence["Future[Arrays]"]) -> None:
    """Drop the queued inputs of a request whose caller gave up."""
    for answer in answers:
        answer.cancel()
