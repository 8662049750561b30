"""How a model behind a model server can fail, on the wire."""

from http import HTTPStatus

from service import errors, upstream_errors
from service.errors import CallerError

SERVING_STATUS: dict[type[CallerError], HTTPStatus] = {
    errors.Stuck: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.QueueFull: HTTPStatus.SERVICE_UNAVAILABLE,
    upstream_errors.ModelServerUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    upstream_errors.ModelServerFailed: HTTPStatus.BAD_GATEWAY,
}

MODEL_PROBLEMS = {
    "500": "The model failed on this input.",
    "502": "The model server failed, or gave what is no answer.",
    "503": "Not ready, too many wait, or the model server is not reached.",
    "504": "No answer in time.",
}
"""What a status means on the routes that call the model."""
