"""Settings of a model that runs in the service's own process."""

from pydantic import BaseModel, Field

from service.threads import available_cpus


class ServingSettings(BaseModel):
    """How the model runs, and how requests share it."""

    model_format: str | None = None
    """The manifest's first when ``None``."""
    model_threads: int = Field(default=0, ge=0)
    """Threads for one inference; 0 takes the CPUs that this process may use."""
    max_running_sequences: int = Field(default=16, ge=1)
    max_queued_inputs: int = Field(default=128, ge=1)
    prefill_tokens: int = Field(default=256, ge=1)
    """Most tokens of new prompts that are read between two tokens of the running sequences."""
    stuck_seconds: float = Field(default=60, gt=0)
    """A step of the model longer than this makes /livez fail."""

    @property
    def numeric_threads(self) -> int:
        """Threads that numeric libraries may use in this process."""
        return self.model_threads or available_cpus()
