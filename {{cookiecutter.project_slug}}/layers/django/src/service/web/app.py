"""The Django application: the routes on one pipeline.

This module is Django's URL configuration too.
"""

import logging
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import django
from django.conf import settings as django_settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import path

from service.errors import MethodNotAllowed, NotFound
from service.metrics import Metrics
from service.pipeline import Pipeline
from service.settings import Settings
from service.web.middleware import Middleware
from service.web.openapi import Route
from service.web.requests import ROUTE, Context, Request
from service.web.routes import ROUTES

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

_CONTEXT = "service.context"
"""Key of what the handlers work with, in the WSGI environment."""


def create_app(pipeline: Pipeline, settings: Settings, metrics: Metrics) -> "WSGIApplication":
    if not django_settings.configured:
        # Only what a service without database, sessions or templates uses.
        django_settings.configure(
            ALLOWED_HOSTS=["*"],  # which names lead here is the ingress's concern
            APPEND_SLASH=False,
            DEBUG_PROPAGATE_EXCEPTIONS=True,  # the middleware answers them
            DATA_UPLOAD_MAX_MEMORY_SIZE=None,  # service/web/front.py bounds every body
            LOGGING_CONFIG=None,  # service/logs.py sets logging up
            MIDDLEWARE=[],
            ROOT_URLCONF=__name__,
            TIME_ZONE="UTC",
            USE_I18N=False,
        )
        django.setup(set_prefix=False)
        logging.getLogger("django.request").disabled = True  # the middleware logs every request
    return Middleware(
        Application(Context(pipeline, settings, metrics)),
        metrics=metrics,
        is_draining=lambda: pipeline.is_draining,
        model=pipeline.model_version,
    )


class Application(WSGIHandler):
    """Django's WSGI application, with what its views work with."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context

    def get_response(self, request: HttpRequest) -> HttpResponseBase:
        request.META[_CONTEXT] = self._context
        response = super().get_response(request)
        if isinstance(response, HttpResponse):  # not a stream
            response["Content-Length"] = str(len(response.content))
        return response


def answer(route: Route, request: HttpRequest, **parameters: str) -> HttpResponseBase:
    if request.method not in route.methods:
        raise MethodNotAllowed(f"The method is {request.method}.", allowed=route.methods)
    request.META[ROUTE] = route.path
    reply = route.handler(request.META[_CONTEXT], Request(request.META, parameters))
    kind = HttpResponse if isinstance(reply.body, bytes) else StreamingHttpResponse
    return kind(
        reply.body, status=reply.status, headers=reply.headers, content_type=reply.media_type
    )


def not_found(request: HttpRequest, exception: Http404) -> NoReturn:  # noqa: ARG001
    raise NotFound(f"There is no route {request.path[:100]!r}.")


urlpatterns = [
    path(
        route.path.removeprefix("/").replace("{", "<str:").replace("}", ">"), partial(answer, route)
    )
    for route in ROUTES
]
handler404 = not_found
