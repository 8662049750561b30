"""The routes that call the model: read, call, answer."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from service.protocols.open_inference import HEADER_LENGTH
from service.web import model_handlers
from service.web import open_inference_handlers as open_inference
from service.web.respond import context, respond


def predict(request: HttpRequest) -> HttpResponse:
    """Predict one input or several."""
    content_type = request.headers.get("Content-Type", "")
    timeout = request.headers.get("X-Request-Timeout")
    return respond(model_handlers.predict(context(request), content_type, request.body, timeout))


def server(_request: HttpRequest) -> HttpResponse:
    """What this server is."""
    return respond(open_inference.server())


def server_live(request: HttpRequest) -> HttpResponse:
    """Whether a restart is needed."""
    return respond(open_inference.server_live(context(request)))


def server_ready(request: HttpRequest) -> HttpResponse:
    """Whether requests can be sent here."""
    return respond(open_inference.server_ready(context(request)))


def model(request: HttpRequest, name: str, version: str | None = None) -> HttpResponse:
    """What the model takes and gives."""
    return respond(open_inference.model(context(request), name, version))


def model_ready(request: HttpRequest, name: str, version: str | None = None) -> HttpResponse:
    """Whether the model is ready."""
    return respond(open_inference.model_ready(context(request), name, version))


def infer(request: HttpRequest, name: str, version: str | None = None) -> HttpResponse:
    """Run the model on tensors."""
    reply = open_inference.infer(
        context(request),
        name,
        version,
        body=request.body,
        header_length=request.headers.get(HEADER_LENGTH),
        timeout=request.headers.get("X-Request-Timeout"),
    )
    return respond(reply)


urlpatterns = [
    path("predict", predict),
    path("v2", server),
    path("v2/health/live", server_live),
    path("v2/health/ready", server_ready),
    path("v2/models/<str:name>", model),
    path("v2/models/<str:name>/ready", model_ready),
    path("v2/models/<str:name>/infer", infer),
    path("v2/models/<str:name>/versions/<str:version>", model),
    path("v2/models/<str:name>/versions/<str:version>/ready", model_ready),
    path("v2/models/<str:name>/versions/<str:version>/infer", infer),
]
