"""The routes that call the model: read, call, answer."""

from flask import Blueprint, Response, request

from service.protocols.open_inference import HEADER_LENGTH
from service.web import model_handlers
from service.web import open_inference_handlers as open_inference
from service.web.respond import context, respond

model_views = Blueprint("model_views", __name__)


@model_views.post("/predict")
def predict() -> Response:
    """Predict one input or several."""
    content_type = request.headers.get("Content-Type", "")
    timeout = request.headers.get("X-Request-Timeout")
    return respond(model_handlers.predict(context(), content_type, request.get_data(), timeout))


@model_views.get("/v2")
def server() -> Response:
    """What this server is."""
    return respond(open_inference.server())


@model_views.get("/v2/health/live")
def server_live() -> Response:
    """Whether a restart is needed."""
    return respond(open_inference.server_live(context()))


@model_views.get("/v2/health/ready")
def server_ready() -> Response:
    """Whether requests can be sent here."""
    return respond(open_inference.server_ready(context()))


@model_views.get("/v2/models/<name>")
@model_views.get("/v2/models/<name>/versions/<version>")
def model(name: str, version: str | None = None) -> Response:
    """What the model takes and gives."""
    return respond(open_inference.model(context(), name, version))


@model_views.get("/v2/models/<name>/ready")
@model_views.get("/v2/models/<name>/versions/<version>/ready")
def model_ready(name: str, version: str | None = None) -> Response:
    """Whether the model is ready."""
    return respond(open_inference.model_ready(context(), name, version))


@model_views.post("/v2/models/<name>/infer")
@model_views.post("/v2/models/<name>/versions/<version>/infer")
def infer(name: str, version: str | None = None) -> Response:
    """Run the model on tensors."""
    reply = open_inference.infer(
        context(),
        name,
        version,
        body=request.get_data(),
        header_length=request.headers.get(HEADER_LENGTH),
        timeout=request.headers.get("X-Request-Timeout"),
    )
    return respond(reply)
