"""The model of one version in this process, and the batch that its sequences share."""

import time
from collections.abc import Callable, Sequence

from service.generation import ContinuousBatcher
from service.hosting import HostedModel
from service.metrics import Metrics
from service.model import LoadModel, Model
from service.rows import Decoder
from service.sequences import Answers, Prompt
from service.settings import Settings
from service.task import Task


class Generator(HostedModel):
    """Continues tokens from the moment its model is loaded and warm.

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
        self._batcher = ContinuousBatcher(
            self._prepare,
            max_running=settings.max_running_sequences,
            max_queued=settings.max_queued_inputs,
            prefill_tokens=settings.prefill_tokens,
            metrics=metrics,
            on_failure=on_failure,
        )
        self.executor = self._batcher

    def submit(self, prompts: Sequence[Prompt], *, deadline: float) -> Answers:
        """Begin to continue all *prompts* of one request, or none.

        Args:
            prompts: their tokens are all in the model's vocabulary.
            deadline: ``time.monotonic()`` after which nobody waits for the answers.

        Raises:
            NotReady, QueueFull: as their names say.
        """
        return self._batcher.submit(prompts, deadline=deadline)

    def _prepare(self) -> Decoder:
        started = time.monotonic()
        model = self._load_model(
            self.folder,
            self.manifest,
            format_name=self.settings.model_format,
            threads=self.settings.numeric_threads,
            rows=self.settings.max_running_sequences,
            context_tokens=self.task.context_tokens,
        )
        self.tell_ready(model.format_name, time.monotonic() - started)
        return model
