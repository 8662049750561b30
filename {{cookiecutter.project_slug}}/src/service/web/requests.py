"""A request as handlers read it, and their reply, whatever the web framework."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from service.errors import FieldError, InvalidInput, MalformedBody
from service.metrics import Metrics
from service.pipeline import Pipeline
from service.settings import Settings

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

REQUEST_ID = "service.request_id"
"""Key of a request's id in the WSGI environment."""
ROUTE = "service.route"
"""Key of the route's path there, once the web framework has found it."""

Model = TypeVar("Model", bound=BaseModel)

_DETAILS = {"model_type": "an object is accepted"}
"""What to say instead of pydantic's own words, which would name our classes."""
_MOST_FAULTS = 100
"""A body can hold millions of faults, and each takes time and memory to name."""
_LONGEST_NAME = 200
"""Of a field, in characters: callers name the unknown ones."""


@dataclass(frozen=True)
class Context:
    """What the handlers work with."""

    pipeline: Pipeline
    settings: Settings
    metrics: Metrics


@dataclass(frozen=True)
class Reply:
    """An answer that a web framework turns into its own kind of response.

    A body that is not ``bytes`` is sent piece by piece, and closed at the end where it can be.
    """

    body: bytes | Iterable[bytes]
    media_type: str = "application/json"
    status: HTTPStatus = HTTPStatus.OK
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, message: BaseModel) -> "Reply":
        return cls(message.model_dump_json().encode())


class Request:
    """One request, behind the middleware.

    Args:
        environ: of WSGI; its body is complete.
        parameters: the parts of the path that the route names.
    """

    def __init__(self, environ: "WSGIEnvironment", parameters: Mapping[str, str]) -> None:
        self._environ = environ
        self.parameters = parameters
        self.id: str = environ[REQUEST_ID]
        self.path: str = environ["PATH_INFO"]
        self.content_type: str = environ.get("CONTENT_TYPE") or ""

    @cached_property
    def body(self) -> bytes:
        content: bytes = self._environ["wsgi.input"].read()
        return content

    def header(self, name: str) -> str | None:
        value: str | None = self._environ.get("HTTP_" + name.upper().replace("-", "_"))
        return value

    def timeout_seconds(self, limit: float) -> float:
        """How long the caller waits: X-Request-Timeout, or *limit* where that is less.

        Raises:
            InvalidInput: the header is not a positive number.
        """
        text = self.header("X-Request-Timeout")
        if text is None:
            return limit
        try:
            seconds = float(text)
        except ValueError:
            seconds = float("nan")
        if not isfinite(seconds) or seconds <= 0:
            raise InvalidInput.of(
                "X-Request-Timeout", "a positive number of seconds is accepted, such as 2.5"
            )
        return min(seconds, limit)


def read_json(body: bytes) -> Any:
    """The value that *body* holds.

    Half of a surrogate pair, which only Python's own parser accepts, is left to the code that knows
    the field.

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


def validate(model: type[Model], value: object) -> Model:
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
