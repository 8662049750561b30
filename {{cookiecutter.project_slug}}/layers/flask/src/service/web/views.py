"""The routes around the model: read, call, answer."""

from flask import Blueprint, Response

from service.web import handlers
from service.web.respond import context, respond

views = Blueprint("views", __name__)


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
    """Metrics for Prometheus."""
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
