"""The description of the routes of the OpenAI API."""

from openapi_pydantic import PathItem

from service.protocols.openai.answers import (
    ChatCompletion,
    ChatCompletionChunk,
    Model,
    ModelList,
    TextCompletion,
)
from service.protocols.openai.errors import Error
from service.protocols.openai.requests import ChatRequest, CompletionRequest
from service.web.event_openapi import text_route
from service.web.openapi_parts import get, json, path_parameter, problem
from service.web.problems import Problem


class OpenAIProblem(Problem):
    """Why a request was not answered, in the protocol's own member too."""

    error: Error


_TAG = "openai api"
_NOT_FOUND = problem("Another model is served.", model=OpenAIProblem)

OPENAI_PATHS: dict[str, PathItem] = {
    "/v1/models": get("models", "The models", _TAG, s200=json("One model.", ModelList)),
    "/v1/models/{name}": get(
        "model",
        "One model",
        _TAG,
        [path_parameter("name", "The model that is served.")],
        s200=json("The model.", Model),
        s404=_NOT_FOUND,
    ),
    "/v1/completions": text_route(
        "complete",
        "Go on with texts",
        _TAG,
        request=CompletionRequest,
        answer=TextCompletion,
        event=TextCompletion,
        problem=OpenAIProblem,
        s404=_NOT_FOUND,
    ),
    "/v1/chat/completions": text_route(
        "chat",
        "Go on with a conversation",
        _TAG,
        request=ChatRequest,
        answer=ChatCompletion,
        event=ChatCompletionChunk,
        problem=OpenAIProblem,
        s404=_NOT_FOUND,
    ),
}
