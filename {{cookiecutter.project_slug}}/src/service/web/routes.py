"""The routes: one table for the web framework, the description and the metrics."""

import re

from openapi_pydantic import MediaType, Response, Schema

# only: predict
from service.web import handlers, open_inference
from service.web import open_inference_messages as v2
from service.web.handlers import Health
from service.web.openapi import Route, describe, json, problem, text, with_examples
from service.web.predict import BODY, PredictManyResponse, PredictResponse, predict
from service.web.problems import InferenceProblem
from service.web.requests import Context, Reply, Request
# end
# only: text-generation
from service.owner import GenerateEvent, GenerateRequest, GenerateResponse
from service.web import events, handlers, openai
from service.web.generate import generate
from service.web.handlers import Health
from service.web.openai_requests import ChatRequest, CompletionRequest
from service.web.openai_responses import (
    ChatCompletion,
    ChatCompletionChunk,
    Model,
    ModelList,
    TextCompletion,
)
from service.web.openapi import Route, describe, json, media, problem, text, with_examples
from service.web.problems import OpenAIProblem
from service.web.requests import Context, Reply, Request
# end


def openapi(context: Context, _request: Request) -> Reply:
    """This description."""
    return Reply(with_examples(_DESCRIPTION, context.pipeline))


_OPENAPI = Response(
    description="OpenAPI 3.1.",
    content={"application/json": MediaType(media_type_schema=Schema(type="object"))},
)
# only: predict
_V2 = "open inference protocol"
_PREDICTED = json("The answer or answers.", PredictResponse, PredictManyResponse)
_METADATA = json("Its inputs and outputs.", v2.ModelMetadata)
_IS_READY = json("Yes.", v2.ModelReady)
_NOT_FOUND = problem("Another model is served, or another version.", InferenceProblem)
_NOT_READY = problem("Not yet, or no longer.", InferenceProblem, retry_after=True)
_STUCK = problem("A restart is needed.", InferenceProblem)


def _v2_model(path: str, name: str) -> tuple[Route, ...]:
    return (
        Route(
            "GET", path, open_inference.model, _V2, {"200": _METADATA, "404": _NOT_FOUND}, name=name
        ),
        Route(
            "GET",
            f"{path}/ready",
            open_inference.model_ready,
            _V2,
            {"200": _IS_READY, "404": _NOT_FOUND, "503": _NOT_READY},
            name=f"{name}_ready",
        ),
        Route(
            "POST",
            f"{path}/infer",
            open_inference.infer,
            _V2,
            {"200": open_inference.ANSWER, "404": _NOT_FOUND},
            name=f"{name}_infer",
            body=open_inference.BODY,
            headers=(open_inference.LENGTH,),
            problem=InferenceProblem,
        ),
    )


# end
# only: text-generation
_V1 = "openai api"
_NOT_FOUND = problem("Another model is served.", OpenAIProblem)
# end
ROUTES = (
    Route("GET", "/", handlers.page, "pages", {"200": text("HTML.", "text/html")}),
    # only: predict
    Route("POST", "/predict", predict, "model", {"200": _PREDICTED}, body=BODY),
    Route("GET", "/v2", open_inference.server, _V2, {"200": json("Its name.", v2.ServerMetadata)}),
    Route(
        "GET",
        "/v2/health/live",
        open_inference.server_live,
        _V2,
        {"200": json("Yes.", v2.ServerLive), "503": _STUCK},
    ),
    Route(
        "GET",
        "/v2/health/ready",
        open_inference.server_ready,
        _V2,
        {"200": json("Yes.", v2.ServerReady), "503": _NOT_READY},
    ),
    *_v2_model("/v2/models/{name}", "model"),
    *_v2_model("/v2/models/{name}/versions/{version}", "version"),
    # end
    # only: text-generation
    Route(
        "POST",
        "/generate",
        generate,
        "model",
        {"200": events.described(GenerateResponse, GenerateEvent)},
        body={"application/json": media(GenerateRequest)},
    ),
    Route("GET", "/v1/models", openai.models, _V1, {"200": json("One model.", ModelList)}),
    Route(
        "GET",
        "/v1/models/{name}",
        openai.model,
        _V1,
        {"200": json("The model.", Model), "404": _NOT_FOUND},
    ),
    Route(
        "POST",
        "/v1/completions",
        openai.complete,
        _V1,
        {"200": events.described(TextCompletion, TextCompletion), "404": _NOT_FOUND},
        body={"application/json": media(CompletionRequest)},
        problem=OpenAIProblem,
    ),
    Route(
        "POST",
        "/v1/chat/completions",
        openai.chat,
        _V1,
        {"200": events.described(ChatCompletion, ChatCompletionChunk), "404": _NOT_FOUND},
        body={"application/json": media(ChatRequest)},
        problem=OpenAIProblem,
    ),
    # end
    Route(
        "GET",
        "/livez",
        handlers.livez,
        "health",
        {"200": json("No.", Health), "503": problem("Yes.")},
    ),
    Route(
        "GET",
        "/readyz",
        handlers.readyz,
        "health",
        {
            "200": json("Yes.", Health),
            "503": problem("Not yet, or no longer.", retry_after=True),
        },
    ),
    Route(
        "GET", "/metrics", handlers.metrics, "health", {"200": text("The metrics.", "text/plain")}
    ),
    Route("GET", "/openapi.json", openapi, "pages", {"200": _OPENAPI}),
    Route("GET", "/docs", handlers.docs, "pages", {"200": text("HTML.", "text/html")}),
    Route("GET", "/static/{name}", handlers.static, "pages"),
)

_DESCRIPTION = describe(route for route in ROUTES if route.answers)
_BY_PATH = {route.path: route for route in ROUTES}
_REGEXES = [
    (re.compile(re.sub(r"\{\w+\}", "[^/]+", route.path)), route)
    for route in ROUTES
    if "{" in route.path
]


def route_of(path: str) -> Route | None:
    found = _BY_PATH.get(path)
    return found or next((route for regex, route in _REGEXES if regex.fullmatch(path)), None)
