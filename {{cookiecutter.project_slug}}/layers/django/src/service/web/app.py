"""The Django application: routes and errors on one pipeline."""

import logging
import os
from typing import TYPE_CHECKING

import django
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from service.metrics import Metrics
from service.pipeline import Pipeline
from service.settings import Settings
from service.web.handlers import Context
from service.web.middleware import Middleware

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication


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
        request.META["service.context"] = self._context
        response = super().get_response(request)
        if isinstance(response, HttpResponse):  # not a stream
            response["Content-Length"] = str(len(response.content))
        return response


def create_app(pipeline: Pipeline, settings: Settings, metrics: Metrics) -> "WSGIApplication":
    """The WSGI application that answers with *pipeline*."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "service.web.settings")
    django.setup(set_prefix=False)
    logging.getLogger("django.request").disabled = True  # the middleware logs every request
    return Middleware(
        Application(Context(pipeline, settings, metrics)),
        metrics=metrics,
        max_body_bytes=settings.max_body_bytes,
        is_draining=lambda: pipeline.is_draining,
    )
