"""A JSON body -> a typed request. Knows nothing of routes, nor of what a value means."""

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from service.errors import FieldError, InvalidInput, MalformedBody

Request = TypeVar("Request", bound=BaseModel)

_DETAILS = {"model_type": "an object is accepted"}
"""What to say instead of pydantic's own words, which would name our classes."""

_MOST_FAULTS = 100
"""A body can hold millions of faults, and each takes time and memory to name."""
_LONGEST_NAME = 200
"""Of a field, in characters: callers name the unknown ones."""


def read_json(body: bytes) -> Any:
    """The value that *body* holds.

    Half of a surrogate pair, which only Python's own parser lets pass, is left to whoever knows the
    field that it stands in.

    Raises:
        MalformedBody: it is not JSON, or is nested too deeply.
    """
    try:
        return from_json(body)
    except ValueError as error:
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise MalformedBody(f"The body is not JSON: {error}.") from None


def validate(model: type[Request], value: object) -> Request:
    """*value* as *model*.

    Raises:
        InvalidInput: a field is missing, unknown or wrong; names each, unless there are too many.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        if error.error_count() > _MOST_FAULTS:
            raise InvalidInput.of("body", f"{error.error_count()} fields are wrong") from None
        fields = [
            FieldError(_name(each["loc"]), _DETAILS.get(each["type"], each["msg"].lower()))
            for each in error.errors(include_url=False, include_input=False)
        ]
    raise InvalidInput(f"{fields[0].field}: {fields[0].detail}", fields=fields)


def _name(location: tuple[int | str, ...]) -> str:
    """Where in the body a field stands, as in ``inputs[0].shape``."""
    name = ""
    for part in location:
        name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else part
    return name[:_LONGEST_NAME] or "body"
