"""The task's settings."""

from pydantic import Field

from service.encoder_settings import MAX_BATCH_SIZE, EncoderSettings

__all__ = ["MAX_BATCH_SIZE", "TaskSettings"]


class TaskSettings(EncoderSettings):
    """How requests to classify texts are read and answered."""

    top_k: int = Field(default=10, ge=1)
    """Labels in an answer, most likely first."""
