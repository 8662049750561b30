"""Requests and answers of text classification."""

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
    "LabelScore",
    "PredictManyRequest",
    "PredictRequest",
    "Prediction",
]


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
