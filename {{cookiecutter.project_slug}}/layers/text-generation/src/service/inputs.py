"""A request's body -> a typed request, by its Content-Type.

One reader for every web framework, so that all answer alike. Knows nothing of routes, and leaves
what a value means to the task.
"""

from typing import TypeVar

from pydantic import BaseModel

from service.errors import UnsupportedMediaType
from service.json_bodies import read_json, validate

Request = TypeVar("Request", bound=BaseModel)

ACCEPTED = "application/json"


def read_request(model: type[Request], content_type: str, body: bytes) -> Request:
    """The request in *body*, as *model*.

    Raises:
        UnsupportedMediaType: *content_type* is not JSON's.
        MalformedBody: *body* is not JSON.
        InvalidInput: a field is missing, unknown or wrong.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type != ACCEPTED:
        found = content_type or "missing"
        raise UnsupportedMediaType(f"Content-Type is {found}; accepted: {ACCEPTED}.")
    return validate(model, read_json(body))
