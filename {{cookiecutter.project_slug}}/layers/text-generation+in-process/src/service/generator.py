"""The model of one version in this process, and the batch that its sequences share."""

from collections.abc import Callable, Sequence

from service.generation import ContinuousBatcher
from service.hosting import HostedModel
from service.rows import Decoder
from service.texts import Answers, Prompt


class Generator(HostedModel):
    """Continues tokens from the moment its model is loaded and warm.

    Args and errors are those of ``HostedModel``.
    """

    executor: ContinuousBatcher

    def make_executor(self, on_failure: Callable[[Exception], None]) -> ContinuousBatcher:
        """The running batch, as ``HostedModel`` says."""
        return ContinuousBatcher(
            self._prepare,
            max_running=self.settings.max_running_sequences,
            max_queued=self.settings.max_queued_inputs,
            prefill_tokens=self.settings.prefill_tokens,
            metrics=self.metrics,
            on_failure=on_failure,
        )

    def submit(self, prompts: Sequence[Prompt], *, deadline: float) -> Answers:
        """Begin to continue all *prompts* of one request, or none.

        Args:
            prompts: their tokens are all in the model's vocabulary.
            deadline: ``time.monotonic()`` when the caller gives up.

        Raises:
            NotReady, QueueFull: as their names say.
        """
        return self.executor.submit(prompts, deadline=deadline)

    def _prepare(self) -> Decoder:
        return self.load_model(
            rows=self.settings.max_running_sequences, context_tokens=self.task.context_tokens
        )
