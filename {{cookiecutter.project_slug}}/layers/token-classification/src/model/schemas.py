"""Requests and answers of token classification: entities in texts."""

from pydantic import BaseModel, Field

from service.text_request import (
    INPUT_FIELD,
    RAW_MEDIA_TYPES,
    PredictManyRequest,
    PredictRequest,
)

__all__ = [
    "INPUT_FIELD",
    "RAW_MEDIA_TYPES",
    "Entity",
    "PredictManyRequest",
    "PredictRequest",
    "Prediction",
]


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
