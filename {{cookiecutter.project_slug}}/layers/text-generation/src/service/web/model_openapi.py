"""The description of the routes that call the model."""

from openapi_pydantic import PathItem

from service.owner import GenerateEvent, GenerateRequest, GenerateResponse
from service.web.event_openapi import text_route
from service.web.openai_openapi import OPENAI_PATHS

MODEL_PATHS: dict[str, PathItem] = {
    "/generate": text_route(
        "generate",
        "Go on with a text",
        "model",
        request=GenerateRequest,
        answer=GenerateResponse,
        event=GenerateEvent,
    ),
    **OPENAI_PATHS,
}
