"""The routes that call the model: read, call, answer."""

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import path

from service.web import model_handlers, openai_handlers
from service.web.events import HEADERS, MEDIA_TYPE, Events, EventStream
from service.web.handlers import Reply
from service.web.middleware import REQUEST_ID
from service.web.respond import context, respond


def generate(request: HttpRequest) -> HttpResponseBase:
    """Go on with a text."""
    return _respond(request, model_handlers.generate(context(request), *_question(request)))


def models(request: HttpRequest) -> HttpResponse:
    """The models that are served."""
    return respond(openai_handlers.models(context(request)))


def model(request: HttpRequest, name: str) -> HttpResponse:
    """One model."""
    return respond(openai_handlers.model(context(request), name))


def complete(request: HttpRequest) -> HttpResponseBase:
    """Go on with texts."""
    return _respond(request, openai_handlers.complete(context(request), *_question(request)))


def chat(request: HttpRequest) -> HttpResponseBase:
    """Go on with a conversation."""
    return _respond(request, openai_handlers.chat(context(request), *_question(request)))


def _question(request: HttpRequest) -> tuple[str, bytes, str | None]:
    """The Content-Type, the body, and how long the caller waits."""
    content_type = request.headers.get("Content-Type", "")
    return content_type, request.body, request.headers.get("X-Request-Timeout")


def _respond(request: HttpRequest, answer: Reply | Events) -> HttpResponseBase:
    """*answer* as Django sends it, whole or event by event."""
    if isinstance(answer, Reply):
        return respond(answer)
    stream = EventStream(answer, request.META[REQUEST_ID], request.path)
    return StreamingHttpResponse(stream, headers=HEADERS, content_type=MEDIA_TYPE)


urlpatterns = [
    path("generate", generate),
    path("v1/models", models),
    path("v1/models/<str:name>", model),
    path("v1/completions", complete),
    path("v1/chat/completions", chat),
]
