"""Requests with texts."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

INPUT_FIELD = "text"
"""Name of the input in JSON and in a multipart form."""

RAW_MEDIA_TYPES = ("text/plain",)
"""Content-Types of a body that is nothing but one input, in UTF-8."""


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class PredictRequest(_Request):
    """One text."""

    text: str

    def values(self) -> list[str]:
        """The inputs, in order."""
        return [self.text]


class PredictManyRequest(_Request):
    """Several texts."""

    inputs: Annotated[list[str], Field(min_length=1)]

    def values(self) -> list[str]:
        """The inputs, in order."""
        return self.inputs
