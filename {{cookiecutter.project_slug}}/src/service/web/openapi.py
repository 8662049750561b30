"""The description of all routes (OpenAPI 3.1), made from the models that the routes use."""

from openapi_pydantic import Info, MediaType, OpenAPI, Response, Schema
from openapi_pydantic.util import construct_open_api_with_schema_class

from service.about import PROJECT, TITLE
from service.web.model_openapi import MODEL_PATHS
from service.web.openapi_parts import Health, get, json, problem, text

_PATHS = {
    **MODEL_PATHS,
    "/livez": get(
        "livez", "Is a restart needed?", "health", s200=json("No.", Health), s503=problem("Yes.")
    ),
    "/readyz": get(
        "readyz",
        "Can requests be sent here?",
        "health",
        s200=json("Yes.", Health),
        s503=problem("Not yet, or no longer.", retry_after=True),
    ),
    "/metrics": get(
        "metrics", "Metrics for Prometheus", "health", s200=text("The metrics.", "text/plain")
    ),
    "/openapi.json": get(
        "openapi",
        "This description",
        "pages",
        s200=Response(
            description="OpenAPI 3.1.",
            content={"application/json": MediaType(media_type_schema=Schema(type="object"))},
        ),
    ),
    "/docs": get("docs", "This description, to read", "pages", s200=text("HTML.", "text/html")),
    "/": get("page", "A page to try the model", "pages", s200=text("HTML.", "text/html")),
}


def _document() -> bytes:
    document = OpenAPI(
        openapi="3.1.1",
        info=Info(title=TITLE, version=PROJECT["version"], description=PROJECT["description"]),
        paths=_PATHS,
    )
    return (
        construct_open_api_with_schema_class(document)
        .model_dump_json(by_alias=True, exclude_none=True, exclude_unset=True)
        .encode()
    )


DOCUMENT = _document()
"""JSON."""
