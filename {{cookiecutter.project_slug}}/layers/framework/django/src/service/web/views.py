"""The routes: read, call, answer."""

from django.http import HttpRequest, HttpResponse

from service.web import handlers
from service.web.handlers import Context, Reply


def predict(request: HttpRequest) -> HttpResponse:
    """Predict one input or several."""
    content_type = request.headers.get("Content-Type", "")
    timeout = request.headers.get("X-Request-Timeout")
    return respond(handlers.predict(context(request), content_type, request.body, timeout))


def livez(request: HttpRequest) -> HttpResponse:
    """Whether a restart is needed."""
    return respond(handlers.livez(context(request)))


def readyz(request: HttpRequest) -> HttpResponse:
    """Whether requests can be sent here."""
    return respond(handlers.readyz(context(request)))


def metrics(request: HttpRequest) -> HttpResponse:
    """Figures for Prometheus."""
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


def context(request: HttpRequest) -> Context:
    """What this application works with."""
    found: Context = request.META["service.context"]
    return found


def respond(reply: Reply) -> HttpResponse:
    """*reply* as Django sends it."""
    return HttpResponse(
        reply.body, status=reply.status, headers=reply.headers, content_type=reply.media_type
    )
