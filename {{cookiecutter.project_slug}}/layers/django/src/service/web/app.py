"""The Django application: routes and errors on one pipeline.

This module is Django's URL configuration too.
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import django
from django.conf import settings as django_settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import path

from service.errors import CallerError, MethodNotAllowed, NotFound, Unexpected
from service.logs import log
from service.metrics import Metrics
from service.pipeline import Pipeline
from service.settings import Settings
from service.web.middleware import Middleware
from service.web.openapi import Route
from service.web.problems import to_problem
from service.web.requests import REQUEST_ID, ROUTE, Context, Request
from service.web.routes import ROUTES, route_of

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

_CONTEXT = "service.context"
"""Key of what the handlers work with, in the WSGI environment."""


def create_app(pipeline: Pipeline, settings: Settings, metrics: Metrics) -> "WSGIApplication":
    """The WSGI application that answers with *pipeline*."""
    if not django_settings.configured:
        # Only what a service without database, sessions or templates uses.
        django_settings.configure(
            ALLOWED_HOSTS=["*"],  # which names lead here is the ingress's concern
            APPEND_SLASH=False,
            DATA_UPLOAD_MAX_MEMORY_SIZE=None,  # the middleware bounds every body: MAX_BODY_BYTES
            LOGGING_CONFIG=None,  # service/logs.py sets logging up
            MIDDLEWARE=[f"{__name__}.ProblemMiddleware"],
            ROOT_URLCONF=__name__,
            TIME_ZONE="UTC",
            USE_I18N=False,
        )
        django.setup(set_prefix=False)
        logging.getLogger("django.request").disabled = True  # the middleware logs every request
    return Middleware(
        Application(Context(pipeline, settings, metrics)),
        metrics=metrics,
        max_body_bytes=settings.max_body_bytes,
        is_draining=lambda: pipeline.is_draining,
    )


class Application(WSGIHandler):
    """Django's WSGI application, with what its views work with.

    Args:
        context: is put on every request.
    """

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context

    def get_response(self, request: HttpRequest) -> HttpResponseBase:
        """Answer *request*."""
        request.META[_CONTEXT] = self._context
        response = super().get_response(request)
        if isinstance(response, HttpResponse):  # not a stream
            response["Content-Length"] = str(len(response.content))
        return response


class ProblemMiddleware:
    """Answers every exception of a view with a problem.

    Args:
        get_response: the rest of the application.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer *request*."""
        return self._get_response(request)

    def process_view(self, request: HttpRequest, *_view: Any) -> HttpResponse | None:
        """Refuse a method that the route does not have."""
        route = route_of(request.path)
        allowed = route.methods if route else ()
        if request.method in allowed:
            return None
        return refuse(
            request, MethodNotAllowed(f"The method is {request.method}.", allowed=allowed)
        )

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """What the caller is told of *error*; a bug goes to ``unexpected``."""
        return refuse(request, error) if isinstance(error, CallerError) else None


def answer(route: Route, request: HttpRequest, **parameters: str) -> HttpResponseBase:
    """What *route* answers."""
    request.META[ROUTE] = route.path
    reply = route.handler(request.META[_CONTEXT], Request(request.META, parameters))
    kind = HttpResponse if isinstance(reply.body, bytes) else StreamingHttpResponse
    return kind(
        reply.body, status=reply.status, headers=reply.headers, content_type=reply.media_type
    )


def refuse(request: HttpRequest, error: CallerError) -> HttpResponse:
    """What the caller is told of *error*."""
    status, headers, body = to_problem(error, request.path, request.META[REQUEST_ID])
    return HttpResponse(body, status=status, headers=headers)


def not_found(request: HttpRequest, exception: Http404) -> HttpResponse:  # noqa: ARG001
    """No such route."""
    return refuse(request, NotFound(f"There is no route {request.path[:100]!r}."))


def unexpected(request: HttpRequest) -> HttpResponse:
    """A bug in the service: the log has it."""
    log.exception("unexpected_error")
    return refuse(request, Unexpected())


urlpatterns = [
    path(
        route.path.removeprefix("/").replace("{", "<str:").replace("}", ">"), partial(answer, route)
    )
    for route in ROUTES
]
handler404 = not_found
handler500 = unexpected
