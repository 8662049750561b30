"""The task's settings."""

from pydantic import BaseModel, Field

MAX_BATCH_SIZE = 8


class TaskSettings(BaseModel):
    """How requests to classify images are read and answered."""

    max_pixels: int = Field(default=20_000_000, ge=1)
    """Largest image, in pixels."""
    top_k: int = Field(default=10, ge=1)
    """Labels in an answer, most likely first."""
