"""The routes that call the model: read, call, answer."""

from flask import Blueprint, Response, request

from service.web import model_handlers, openai_handlers
from service.web.events import HEADERS, MEDIA_TYPE, Events, EventStream
from service.web.handlers import Reply
from service.web.middleware import REQUEST_ID
from service.web.respond import context, respond

model_views = Blueprint("model_views", __name__)


@model_views.post("/generate")
def generate() -> Response:
    """Go on with a text."""
    return _respond(model_handlers.generate(context(), *_question()))


@model_views.get("/v1/models")
def models() -> Response:
    """The models that are served."""
    return respond(openai_handlers.models(context()))


@model_views.get("/v1/models/<name>")
def model(name: str) -> Response:
    """One model."""
    return respond(openai_handlers.model(context(), name))


@model_views.post("/v1/completions")
def complete() -> Response:
    """Go on with texts."""
    return _respond(openai_handlers.complete(context(), *_question()))


@model_views.post("/v1/chat/completions")
def chat() -> Response:
    """Go on with a conversation."""
    return _respond(openai_handlers.chat(context(), *_question()))


def _question() -> tuple[str, bytes, str | None]:
    """The Content-Type, the body, and how long the caller waits."""
    content_type = request.headers.get("Content-Type", "")
    return content_type, request.get_data(), request.headers.get("X-Request-Timeout")


def _respond(answer: Reply | Events) -> Response:
    """*answer* as Flask sends it, whole or event by event."""
    if isinstance(answer, Reply):
        return respond(answer)
    stream = EventStream(answer, request.environ[REQUEST_ID], request.path)
    return Response(stream, headers=HEADERS, content_type=MEDIA_TYPE)
