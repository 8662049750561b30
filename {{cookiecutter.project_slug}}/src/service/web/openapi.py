"""The description of all routes (OpenAPI 3.1), made from the models that the routes use."""

from typing import Any

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
)
from openapi_pydantic.util import PydanticSchema, construct_open_api_with_schema_class
from pydantic import BaseModel

from service.about import PROJECT, TITLE
from service.schemas import (
    INPUT_FIELD,
    RAW_MEDIA_TYPES,
    PredictManyRequest,
    PredictManyResponse,
    PredictRequest,
    PredictResponse,
)
from service.web.problems import MEDIA_TYPE, Problem


class Health(BaseModel):
    """The answer of a probe."""

    status: str


def _schema(model: type[BaseModel]) -> Any:
    return PydanticSchema(schema_class=model)


def _json(description: str, *models: type[BaseModel]) -> Response:
    schemas = [_schema(model) for model in models]
    schema = schemas[0] if len(schemas) == 1 else Schema(oneOf=schemas)
    content = {"application/json": MediaType(media_type_schema=schema)}
    return Response(description=description, content=content)


def _text(description: str, media_type: str) -> Response:
    content = {media_type: MediaType(media_type_schema=Schema(type="string"))}
    return Response(description=description, content=content)


def _problem(description: str, *, retry_after: bool = False) -> Response:
    seconds = Header(description="Seconds to wait.", param_schema=Schema(type="integer", minimum=1))
    return Response(
        description=description,
        content={MEDIA_TYPE: MediaType(media_type_schema=_schema(Problem))},
        headers={"Retry-After": seconds} if retry_after else None,
    )


def _get(name: str, summary: str, tag: str, **responses: Response) -> PathItem:
    return PathItem(
        get=Operation(
            operationId=name,
            summary=summary,
            tags=[tag],
            responses={key.removeprefix("s"): value for key, value in responses.items()},
        )
    )


def _predict() -> PathItem:
    binary = Schema(type="string", schema_format="binary")
    form = Schema(
        type="object",
        properties={INPUT_FIELD: Schema(type="array", items=binary, minItems=1)},
        required=[INPUT_FIELD],
        additionalProperties=False,
    )
    one_or_many = Schema(oneOf=[_schema(PredictRequest), _schema(PredictManyRequest)])
    return PathItem(
        post=Operation(
            operationId="predict",
            summary="Predict one input or several",
            tags=["model"],
            parameters=[
                Parameter(
                    name="X-Request-Timeout",
                    param_in="header",  # type: ignore[call-arg]  # its alias, "in", is a keyword
                    description="Seconds that the caller waits; lowers the service's own limit.",
                    param_schema=Schema(type="number", exclusiveMinimum=0),
                )
            ],
            requestBody=RequestBody(
                required=True,
                content={
                    "application/json": MediaType(media_type_schema=one_or_many),
                    "multipart/form-data": MediaType(media_type_schema=form),
                    **{kind: MediaType(media_type_schema=binary) for kind in RAW_MEDIA_TYPES},
                },
            ),
            responses={
                "200": _json("The answer or answers.", PredictResponse, PredictManyResponse),
                "400": _problem("The body is not what its Content-Type says."),
                "413": _problem("The body is too large."),
                "415": _problem("The Content-Type is not accepted."),
                "422": _problem("A field is missing or not accepted; `errors` names it."),
                "500": _problem("The model failed on this input."),
                "503": _problem("Not ready, or too many inputs wait.", retry_after=True),
                "504": _problem("No answer in time."),
            },
        )
    )


def _document() -> bytes:
    paths = {
        "/predict": _predict(),
        "/livez": _get(
            "livez",
            "Is a restart needed?",
            "health",
            s200=_json("No.", Health),
            s503=_problem("Yes."),
        ),
        "/readyz": _get(
            "readyz",
            "Can requests be sent here?",
            "health",
            s200=_json("Yes.", Health),
            s503=_problem("Not yet, or no longer.", retry_after=True),
        ),
        "/metrics": _get(
            "metrics", "Figures for Prometheus", "health", s200=_text("The figures.", "text/plain")
        ),
        "/openapi.json": _get(
            "openapi",
            "This description",
            "pages",
            s200=Response(
                description="OpenAPI 3.1.",
                content={"application/json": MediaType(media_type_schema=Schema(type="object"))},
            ),
        ),
        "/docs": _get(
            "docs", "This description, to read", "pages", s200=_text("HTML.", "text/html")
        ),
        "/": _get("page", "A page to try the model", "pages", s200=_text("HTML.", "text/html")),
    }
    document = OpenAPI(
        openapi="3.1.1",
        info=Info(title=TITLE, version=PROJECT["version"], description=PROJECT["description"]),
        paths=paths,
    )
    return (
        construct_open_api_with_schema_class(document)
        .model_dump_json(by_alias=True, exclude_none=True, exclude_unset=True)
        .encode()
    )


DOCUMENT = _document()
"""JSON."""
