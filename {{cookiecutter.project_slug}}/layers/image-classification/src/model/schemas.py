"""Your requests and answers: an image's labels."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

INPUT_FIELD = "image"
"""Name of the input in JSON and in a multipart form."""

RAW_MEDIA_TYPES = ("image/*", "application/octet-stream")
"""Content-Types of a body that is nothing but one input; the file says which format it has."""

Base64Image = Annotated[
    str,
    Field(
        min_length=1,
        description="A PNG, JPEG, WebP, GIF or BMP image in base64, or a data: URL of it.",
        json_schema_extra={"contentEncoding": "base64"},
    ),
]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class PredictRequest(_Request):
    """One image."""

    image: Base64Image

    def values(self) -> list[str]:
        """The inputs, in order."""
        return [self.image]


class PredictManyRequest(_Request):
    """Several images."""

    inputs: Annotated[list[Base64Image], Field(min_length=1)]

    def values(self) -> list[str]:
        """The inputs, in order."""
        return self.inputs


class LabelScore(BaseModel):
    """How sure the model is of one label."""

    label: str
    score: float = Field(ge=0, le=1, description="Probability; all labels' add up to 1.")


class Prediction(BaseModel):
    """What one image shows."""

    prediction: str = Field(description="The most likely label.")
    score: float = Field(ge=0, le=1, description="Its probability.")
    scores: list[LabelScore] = Field(description="The most likely labels, most likely first.")
