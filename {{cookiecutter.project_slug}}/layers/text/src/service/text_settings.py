"""Settings of every task that reads texts."""

from pydantic import BaseModel, Field


class TextSettings(BaseModel):
    """What is accepted as a text."""

    max_text_characters: int = Field(default=20_000, ge=1)
    """Longest text, in characters."""
