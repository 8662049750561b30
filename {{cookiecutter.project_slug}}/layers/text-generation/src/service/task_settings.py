"""The task's settings."""

from pydantic import Field

from service.text_settings import TextSettings


class TaskSettings(TextSettings):
    """How requests to continue texts are read and answered."""

    max_new_tokens: int = Field(default=512, ge=1)
    """Most tokens of one answer; also where a caller does not say."""
    max_context_tokens: int = Field(default=2048, ge=2)
    """Most tokens of a prompt and its answer, where the model has no fewer."""
