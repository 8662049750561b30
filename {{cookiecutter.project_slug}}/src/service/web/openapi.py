"""The description of the routes (OpenAPI 3.1), made from their table."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from openapi_pydantic import (
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
    Server,
)
from openapi_pydantic.util import PydanticSchema, construct_open_api_with_schema_class
from pydantic import BaseModel
from pydantic_core import from_json, to_json

from service.about import PROJECT, TITLE
from service.logs import log
from service.pipeline import Pipeline
from service.smoke import SmokeError, read_examples
from service.web.examples import bodies
from service.web.problems import MEDIA_TYPE, Problem
from service.web.requests import Context, Reply, Request

_EXAMPLES = Path(__file__).parents[3] / "examples"
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
            for status, meaning in _CALL_PROBLEMS.items():
                responses[status] = problem(meaning, self.problem, retry_after=status == "503")
        operation = Operation(
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
    )
    return (
        construct_open_api_with_schema_class(document)
        .model_dump_json(by_alias=True, exclude_none=True, exclude_unset=True)
        .encode()
    )


def with_examples(description: bytes, pipeline: Pipeline) -> bytes:
    """*description* with requests that this model answers, where ``examples/`` can be read."""
    document, model = from_json(description), pipeline.model_version
    names = {"name": model.name, "version": str(model.version)}
    try:
        examples = bodies(pipeline, read_examples(_EXAMPLES))
    except (SmokeError, ValueError, KeyError) as error:
        log.warning("no_examples", error=str(error))
        examples = {}
    for path, item in document["paths"].items():
        for operation in item.values():
            for each in operation.get("parameters", []):
                if each["in"] == "path":
                    each["example"] = names[each["name"]]
            for media_type, example in examples.get(path, {}).items():
                operation["requestBody"]["content"][media_type]["example"] = example
    return to_json(document)


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
        content={MEDIA_TYPE: media(model)},
        headers={"Retry-After": seconds} if retry_after else None,
    )


def parameter(
    name: str, place: Literal["path", "header"], description: str, schema: Schema | None = None
) -> Parameter:
    """What a caller names in the path, or may send in a header."""
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
