"""The routes: read, call, answer."""

from flask import Blueprint, Response, current_app, request

from service.web import handlers
from service.web.handlers import Context, Reply

views = Blueprint("views", __name__)


@views.post("/predict")
def predict() -> Response:
    """Predict one input or several."""
    content_type = request.headers.get("Content-Type", "")
    timeout = request.headers.get("X-Request-Timeout")
    return respond(handlers.predict(context(), content_type, request.get_data(), timeout))


@views.get("/livez")
def livez() -> Response:
    """Whether a restart is needed."""
    return respond(handlers.livez(context()))


@views.get("/readyz")
def readyz() -> Response:
    """Whether requests can be sent here."""
    return respond(handlers.readyz(context()))


@views.get("/metrics")
def metrics() -> Response:
    """Figures for Prometheus."""
    return respond(handlers.metrics(context()))


@views.get("/openapi.json")
def openapi() -> Response:
    """The description of all routes."""
    return respond(handlers.openapi(context()))


@views.get("/docs")
def docs() -> Response:
    """The description of all routes, to read."""
    return respond(handlers.static("docs.html"))


@views.get("/")
def page() -> Response:
    """A page to try the model."""
    return respond(handlers.static("index.html"))


@views.get("/static/<name>")
def static(name: str) -> Response:
    """A file of the pages."""
    return respond(handlers.static(name))


def context() -> Context:
    """What this application works with."""
    found: Context = current_app.extensions["service"]
    return found


def respond(reply: Reply) -> Response:
    """*reply* as Flask sends it."""
    return Response(reply.body, reply.status, reply.headers, content_type=reply.media_type)
