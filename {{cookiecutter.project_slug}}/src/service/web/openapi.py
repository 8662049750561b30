"""The description of the routes (OpenAPI 3.1), made from their table."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from openapi_pydantic import (
    Components,
    Header,
    Info,
    MediaType,
    OpenAPI,
    Operation,
    Parameter,
    PathItem,
    RequestBody,
    Response,
    Schema,
    SecurityScheme,
    Server,
)
from openapi_pydantic.util import PydanticSchema, construct_open_api_with_schema_class
from pydantic import BaseModel

from service.settings import PROJECT, TITLE
from service.web.access import OPEN
from service.web.requests import PROBLEM_JSON, Context, Problem, Reply, Request

_PATH_PARAMETERS = {"name": "The model that is served.", "version": "The version that is served."}
_CALL_PROBLEMS = {
    "400": "The body is not what its Content-Type says.",
    "413": "The body is too large.",
    "415": "The Content-Type or Content-Encoding is not accepted.",
    "422": "A field is missing or not accepted; `errors` names it.",
    # only: in-process
    "500": "The model failed on this input.",
    "503": "Not ready, or too many wait.",
    # end
    # only: model-server
    "500": "The model failed on this input.",
    "502": "The model server failed, or gave what is no answer.",
    "503": "Not ready, too many wait, or the model server is not reached.",
    # end
    "504": "No answer in time.",
}
"""What a status means on the routes that call the model."""
_KEY_PROBLEMS = {
    "401": "No API key, or none that is known.",
    "403": "The API key is not for this route.",
    "429": "The API key has sent as much as it may, for now.",
}


@dataclass(frozen=True)
class Route:
    """What answers a method of a path, and how it is described.

    Args:
        method: ``GET`` answers HEAD too; ``POST`` calls the model.
        path: a name in braces matches any part between two slashes.
        handler: answers; the first line of its docstring is the summary.
        tag: under which it is listed.
        answers: the response by status; a route without any is not described.
        body: what is accepted, by Content-Type.
        headers: that the caller may send.
        problem: how errors are told.
        name: of the operation; the handler's when empty.
    """

    method: Literal["GET", "POST"]
    path: str
    handler: Callable[[Context, Request], Reply]
    tag: str
    answers: dict[str, Response] = field(default_factory=dict)
    body: dict[str, MediaType] | None = None
    headers: tuple[Parameter, ...] = ()
    problem: type[Problem] = Problem
    name: str = ""

    @property
    def operation(self) -> str:
        return self.name or self.handler.__name__

    @property
    def methods(self) -> tuple[str, ...]:
        return ("GET", "HEAD") if self.method == "GET" else ("POST",)

    def item(self) -> PathItem:
        named = re.findall(r"\{(\w+)\}", self.path)
        parameters = [parameter(name, "path", _PATH_PARAMETERS[name]) for name in named]
        responses = dict(self.answers)
        if self.method == "POST":
            parameters += [*self.headers, _TIMEOUT]
            for known, meaning in _CALL_PROBLEMS.items():
                status = str(self.problem.refused.value) if known == "422" else known
                responses[status] = problem(meaning, self.problem, retry_after=status == "503")
        is_open = bool(OPEN.fullmatch(self.path))
        for status, meaning in () if is_open else _KEY_PROBLEMS.items():
            responses[status] = problem(meaning, self.problem, retry_after=status == "429")
        operation = Operation(
            security=[] if is_open else None,
            operationId=self.operation,
            summary=str(self.handler.__doc__).partition("\n")[0].rstrip("."),
            tags=[self.tag],
            parameters=parameters or None,
            requestBody=RequestBody(required=True, content=self.body) if self.body else None,
            responses=responses,
        )
        return PathItem(get=operation) if self.method == "GET" else PathItem(post=operation)


def describe(routes: Iterable[Route]) -> bytes:
    document = OpenAPI(
        openapi="3.1.1",
        servers=[Server(url=".")],  # where the document is, whatever a proxy puts before it
        info=Info(title=TITLE, version=PROJECT["version"], description=PROJECT["description"]),
        paths={route.path: route.item() for route in routes},
        components=Components(
            securitySchemes={
                "bearer": SecurityScheme(type="http", scheme="bearer"),
                "header": SecurityScheme.model_validate(
                    {"type": "apiKey", "in": "header", "name": "X-API-Key"}
                ),
            }
        ),
        security=[{"bearer": []}, {"header": []}, {}],  # none, where the service has no keys
    )
    return (
        construct_open_api_with_schema_class(document)
        .model_dump_json(by_alias=True, exclude_none=True, exclude_unset=True)
        .encode()
    )


def media(*models: type[BaseModel]) -> MediaType:
    schemas: list[Any] = [PydanticSchema(schema_class=model) for model in models]
    return MediaType(media_type_schema=schemas[0] if len(schemas) == 1 else Schema(oneOf=schemas))


def json(description: str, *models: type[BaseModel]) -> Response:
    return Response(description=description, content={"application/json": media(*models)})


def text(description: str, media_type: str) -> Response:
    content = {media_type: MediaType(media_type_schema=Schema(type="string"))}
    return Response(description=description, content=content)


def problem(
    description: str, model: type[Problem] = Problem, *, retry_after: bool = False
) -> Response:
    seconds = Header(description="Seconds to wait.", param_schema=Schema(type="integer", minimum=1))
    return Response(
        description=description,
        content={PROBLEM_JSON: media(model)},
        headers={"Retry-After": seconds} if retry_after else None,
    )


def parameter(
    name: str, place: Literal["path", "header"], description: str, schema: Schema | None = None
) -> Parameter:
    facts = {
        "name": name,
        "in": place,
        "description": description,
        "schema": schema or Schema(type="string"),
    }
    return Parameter.model_validate(facts | ({"required": True} if place == "path" else {}))


_TIMEOUT = parameter(
    "X-Request-Timeout",
    "header",
    "Seconds that the caller waits; lowers the service's own limit.",
    Schema(type="number", exclusiveMinimum=0),
)
