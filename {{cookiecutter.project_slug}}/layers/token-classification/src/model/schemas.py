"""Your requests and answers: entities in texts."""

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


class Entity(BaseModel):
    """One entity, and where it is in the caller's own text."""

    text: str
    label: str
    start: int = Field(ge=0, description="Its first character, in Unicode code points from 0.")
    end: int = Field(ge=1, description="The character behind its last one.")
    score: float = Field(
        ge=0, le=1, description="The mean probability of its label over its words; 1 is sure."
    )


class Prediction(BaseModel):
    """The entities of one text."""

    prediction: list[Entity] = Field(description="In the order of the text; none overlap.")
    truncated: bool = Field(
        description="The text has more tokens than the model reads; its end was left out."
    )
