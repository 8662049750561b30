"""Your requests and answers: a text's labels."""

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


class LabelScore(BaseModel):
    """How sure the model is of one label."""

    label: str
    score: float = Field(ge=0, le=1, description="Probability; all labels' add up to 1.")


class Prediction(BaseModel):
    """What one text is about."""

    prediction: str = Field(description="The most likely label.")
    score: float = Field(ge=0, le=1, description="Its probability.")
    scores: list[LabelScore] = Field(description="The most likely labels, most likely first.")
    truncated: bool = Field(
        description="The text has more tokens than the model reads; its end was left out."
    )
