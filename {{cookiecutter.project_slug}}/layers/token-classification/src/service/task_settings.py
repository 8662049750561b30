"""The task's settings."""

from service.encoder_settings import MAX_BATCH_SIZE, EncoderSettings

__all__ = ["MAX_BATCH_SIZE", "TaskSettings"]


class TaskSettings(EncoderSettings):
    """How requests to find entities are read."""
