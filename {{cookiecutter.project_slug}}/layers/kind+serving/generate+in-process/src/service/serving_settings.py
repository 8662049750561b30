"""Settings of a model that runs in the service's own process."""

from pathlib import Path

from pydantic import BaseModel, Field


class ServingSettings(BaseModel):
    """Which model runs, and how requests share it."""

    model_dir: Path = Path("models/default")
    """Folder with one folder per version."""
    model_version: int | None = Field(default=None, ge=1)
    """The newest when ``None``."""
    model_format: str | None = None
    """The manifest's first when ``None``."""
    model_threads: int = Field(default=0, ge=0)
    """Threads for one inference; 0 takes the CPUs that this process may use."""
    max_running_sequences: int = Field(default=16, ge=1)
    max_queued_inputs: int = Field(default=128, ge=1)
    prefill_tokens: int = Field(default=256, ge=1)
    """Most tokens of new prompts that are read between two tokens of the running sequences."""
    max_context_tokens: int = Field(default=2048, ge=2)
    """Most tokens of a prompt and its answer, where the model has no fewer."""
    stuck_seconds: float = Field(default=60, gt=0)
    """A step of the model longer than this makes /livez fail."""
