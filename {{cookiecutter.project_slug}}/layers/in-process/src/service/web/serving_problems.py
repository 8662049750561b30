"""How a model in the service's own process can fail, on the wire."""

from http import HTTPStatus

from service import errors
from service.errors import CallerError

SERVING_STATUS: dict[type[CallerError], HTTPStatus] = {
    errors.Stuck: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.QueueFull: HTTPStatus.SERVICE_UNAVAILABLE,
}

MODEL_PROBLEMS = {
    "500": "The model failed on this input.",
    "503": "Not ready, or too many wait.",
    "504": "No answer in time.",
}
"""What a status means on the routes that call the model."""
