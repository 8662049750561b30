"""The answers of ``/predict``: predictions, and which model made them."""

from pydantic import BaseModel

from service.manifest import ModelVersion
from service.owner import Prediction


class PredictResponse(Prediction):
    """The answer for one input."""

    model: ModelVersion


class PredictManyResponse(BaseModel):
    """The answers for several inputs, in their order."""

    predictions: list[Prediction]
    model: ModelVersion
