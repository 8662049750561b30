"""The routes around the model: read, call, answer."""

from django.http import HttpRequest, HttpResponse

from service.web import handlers
from service.web.respond import context, respond


def livez(request: HttpRequest) -> HttpResponse:
    """Whether a restart is needed."""
    return respond(handlers.livez(context(request)))


def readyz(request: HttpRequest) -> HttpResponse:
    """Whether requests can be sent here."""
    return respond(handlers.readyz(context(request)))


def metrics(request: HttpRequest) -> HttpResponse:
    """Metrics for Prometheus."""
    return respond(handlers.metrics(context(request)))


def openapi(request: HttpRequest) -> HttpResponse:
    """The description of all routes."""
    return respond(handlers.openapi(context(request)))


def docs(_request: HttpRequest) -> HttpResponse:
    """The description of all routes, to read."""
    return respond(handlers.static("docs.html"))


def page(_request: HttpRequest) -> HttpResponse:
    """A page to try the model."""
    return respond(handlers.static("index.html"))


def static(_request: HttpRequest, name: str) -> HttpResponse:
    """A file of the pages."""
    return respond(handlers.static(name))
