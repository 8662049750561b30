"""The routes: one table for the web framework, the description and the metrics."""

import re

from openapi_pydantic import MediaType, Response, Schema
from pydantic_core import from_json, to_json

from service.logs import log
# only: predict
from service.web import handlers
from service.web import open_inference as v2
from service.web.handlers import Health, ModelCard
from service.web.openapi import Route, describe, json, problem, text
from service.web.predict import BODY, PredictManyResponse, PredictResponse, bodies, predict
from service.web.requests import Context, InferenceProblem, Reply, Request
# end
# only: text-generation
from service.owner import GenerateEvent, GenerateRequest, GenerateResponse
from service.web import generate, handlers
from service.web.generate import bodies
from service.web.handlers import Health, ModelCard
from service.web.openai_requests import ChatRequest, CompletionRequest
from service.web.openai_responses import (
    ChatCompletion,
    ChatCompletionChunk,
    Model,
    ModelList,
    TextCompletion,
)
from service.web.openapi import Route, describe, json, media, problem, text
from service.web.requests import Context, OpenAIProblem, Reply, Request
# end


def openapi(context: Context, _request: Request) -> Reply:
    """This description."""
    description, pipeline = from_json(_DESCRIPTION), context.pipeline
    model = pipeline.model_version
    names = {"name": model.name, "version": str(model.version)}
    try:
        known = bodies(pipeline, handlers.examples())
    except (ValueError, LookupError) as error:
        log.warning("no_examples", error=str(error))
        known = {}
    for path, item in description["paths"].items():
        for operation in item.values():
            for each in operation.get("parameters", []):
                if each["in"] == "path":
                    each["example"] = names[each["name"]]
            for media_type, example in known.get(path, {}).items():
                operation["requestBody"]["content"][media_type]["example"] = example
    return Reply(to_json(description))


_OPENAPI = Response(
    description="OpenAPI 3.1.",
    content={"application/json": MediaType(media_type_schema=Schema(type="object"))},
)
_HEALTHY = {"200": json("No.", Health), "503": problem("Yes.")}
_BUSY = problem("Not yet, or no longer.", retry_after=True)
_METRICS = text("The metrics.", "text/plain")
# only: predict
_V2 = "open inference protocol"
_PREDICTED = json("The answer or answers.", PredictResponse, PredictManyResponse)
_METADATA = json("Its inputs and outputs.", v2.ModelMetadata)
_NOT_FOUND = problem("Another model is served, or another version.", InferenceProblem)
_NOT_READY = problem("Not yet, or no longer.", InferenceProblem, retry_after=True)
_STUCK = problem("A restart is needed.", InferenceProblem)
_LIVE = {"200": json("Yes.", v2.ServerLive), "503": _STUCK}
_READY = {"200": json("Yes.", v2.ServerReady), "503": _NOT_READY}
_MODEL_READY = {"200": json("Yes.", v2.ModelReady), "404": _NOT_FOUND, "503": _NOT_READY}


def _v2_model(path: str, name: str) -> tuple[Route, ...]:
    known = {"200": _METADATA, "404": _NOT_FOUND}
    return (
        Route("GET", path, v2.model, _V2, known, name=name),
        Route("GET", f"{path}/ready", v2.model_ready, _V2, _MODEL_READY, name=f"{name}_ready"),
        Route(
            "POST",
            f"{path}/infer",
            v2.infer,
            _V2,
            {"200": v2.ANSWER, "404": _NOT_FOUND},
            name=f"{name}_infer",
            body=v2.BODY,
            headers=(v2.LENGTH,),
            problem=InferenceProblem,
        ),
    )


# end
# only: text-generation
_V1 = "openai api"
_NOT_FOUND = problem("Another model is served.", OpenAIProblem)
_GENERATED = generate.described(GenerateResponse, GenerateEvent)
_COMPLETED = {"200": generate.described(TextCompletion, TextCompletion), "404": _NOT_FOUND}
_CHATTED = {"200": generate.described(ChatCompletion, ChatCompletionChunk), "404": _NOT_FOUND}
# end
ROUTES = (
    Route("GET", "/", handlers.page, "pages", {"200": text("HTML.", "text/html")}),
    # only: predict
    Route("POST", "/predict", predict, "model", {"200": _PREDICTED}, body=BODY),
    Route("GET", "/v2", v2.server, _V2, {"200": json("Its name.", v2.ServerMetadata)}),
    Route("GET", "/v2/health/live", v2.server_live, _V2, _LIVE),
    Route("GET", "/v2/health/ready", v2.server_ready, _V2, _READY),
    *_v2_model("/v2/models/{name}", "model"),
    *_v2_model("/v2/models/{name}/versions/{version}", "version"),
    # end
    # only: text-generation
    Route(
        "POST",
        "/generate",
        generate.generate,
        "model",
        {"200": _GENERATED},
        body={"application/json": media(GenerateRequest)},
    ),
    Route("GET", "/v1/models", generate.models, _V1, {"200": json("One model.", ModelList)}),
    Route(
        "GET",
        "/v1/models/{name}",
        generate.model,
        _V1,
        {"200": json("The model.", Model), "404": _NOT_FOUND},
    ),
    Route(
        "POST",
        "/v1/completions",
        generate.complete,
        _V1,
        _COMPLETED,
        body={"application/json": media(CompletionRequest)},
        problem=OpenAIProblem,
    ),
    Route(
        "POST",
        "/v1/chat/completions",
        generate.chat,
        _V1,
        _CHATTED,
        body={"application/json": media(ChatRequest)},
        problem=OpenAIProblem,
    ),
    # end
    Route("GET", "/livez", handlers.livez, "health", _HEALTHY),
    Route("GET", "/readyz", handlers.readyz, "health", {"200": json("Yes.", Health), "503": _BUSY}),
    Route("GET", "/metrics", handlers.metrics, "health", {"200": _METRICS}),
    Route("GET", "/model", handlers.model_card, "model", {"200": json("All of it.", ModelCard)}),
    Route("GET", "/openapi.json", openapi, "pages", {"200": _OPENAPI}),
    Route("GET", "/docs", handlers.docs, "pages", {"200": text("HTML.", "text/html")}),
    Route("GET", "/static/{name}", handlers.static, "pages"),
    Route("GET", "/examples/{name}", handlers.example, "pages"),
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
