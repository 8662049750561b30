"""Pieces that the description of a route (OpenAPI 3.1) is put together from."""

from collections.abc import Sequence
from typing import Any

from openapi_pydantic import Header, MediaType, Operation, Parameter, PathItem, Response, Schema
from openapi_pydantic.util import PydanticSchema
from pydantic import BaseModel

from service.web.problems import MEDIA_TYPE, Problem

_MODEL_PROBLEMS = {
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


class Health(BaseModel):
    """The answer of a probe."""

    status: str


def schema(model: type[BaseModel]) -> Any:
    """The schema of *model*."""
    return PydanticSchema(schema_class=model)


def media(*models: type[BaseModel]) -> MediaType:
    """A body that is one of *models*."""
    schemas = [schema(model) for model in models]
    return MediaType(media_type_schema=schemas[0] if len(schemas) == 1 else Schema(oneOf=schemas))


def json(description: str, *models: type[BaseModel]) -> Response:
    """An answer in JSON that is one of *models*."""
    return Response(description=description, content={"application/json": media(*models)})


def text(description: str, media_type: str) -> Response:
    """An answer in text."""
    content = {media_type: MediaType(media_type_schema=Schema(type="string"))}
    return Response(description=description, content=content)


def problem(
    description: str, *, retry_after: bool = False, model: type[Problem] = Problem
) -> Response:
    """An error, told as *model*."""
    seconds = Header(description="Seconds to wait.", param_schema=Schema(type="integer", minimum=1))
    return Response(
        description=description,
        content={MEDIA_TYPE: media(model)},
        headers={"Retry-After": seconds} if retry_after else None,
    )


def get(
    name: str,
    summary: str,
    tag: str,
    parameters: Sequence[Parameter] = (),
    **responses: Response,
) -> PathItem:
    """A route that only answers.

    Args:
        name: the operation's.
        summary: what it answers.
        tag: under which it is listed.
        parameters: the parts of its path that the caller names.
        responses: by status, as in ``s200=...``.
    """
    return PathItem(
        get=Operation(
            operationId=name,
            summary=summary,
            tags=[tag],
            parameters=list(parameters) or None,
            responses={key.removeprefix("s"): value for key, value in responses.items()},
        )
    )


def path_parameter(name: str, description: str) -> Parameter:
    """A part of a path that the caller names."""
    return Parameter(
        name=name,
        param_in="path",  # type: ignore[call-arg]  # its alias, "in", is a keyword
        required=True,
        description=description,
        param_schema=Schema(type="string"),
    )


TIMEOUT = Parameter(
    name="X-Request-Timeout",
    param_in="header",  # type: ignore[call-arg]  # its alias, "in", is a keyword
    description="Seconds that the caller waits; lowers the service's own limit.",
    param_schema=Schema(type="number", exclusiveMinimum=0),
)


def problems(model: type[Problem] = Problem) -> dict[str, Response]:
    """How a route that calls the model can fail, told as *model*."""
    return {
        "400": problem("The body is not what its Content-Type says.", model=model),
        "413": problem("The body is too large.", model=model),
        "415": problem("The Content-Type or Content-Encoding is not accepted.", model=model),
        "422": problem("A field is missing or not accepted; `errors` names it.", model=model),
        **{
            status: problem(meaning, retry_after=status == "503", model=model)
            for status, meaning in _MODEL_PROBLEMS.items()
        },
    }
