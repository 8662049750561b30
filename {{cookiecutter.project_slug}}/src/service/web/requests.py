"""A request as handlers read it, and their reply, whatever the web framework.

Errors are problem+json (RFC 9457) on every route. A caller may rely on their ``code``; titles and
details are for people.
"""

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from math import isfinite
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from service.errors import (
    CallerError,
    InvalidInput,
    MalformedBody,
    ProblemField,
)
from service.metrics import Metrics
from service.pipeline import Pipeline
from service.settings import Settings
# only: text-generation
from service.web.access import TOKENS
from service.web.openai_responses import Error
# end

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

REQUEST_ID = "service.request_id"
"""Key of a request's id in the WSGI environment."""
ROUTE = "service.route"
"""Key of the route's path there, once the web framework has found it."""
REFUSAL = "service.refusal"
"""Key of the error for which a request is not handled, there where the server has found one."""
CALLER = "service.caller"
"""Key of the ``Caller`` there."""

PROBLEM_JSON = "application/problem+json"

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


class Caller:
    """Tells the application when its caller has left; for all threads."""

    def __init__(self) -> None:
        self.has_left = False
        self._lock = threading.Lock()
        self._calls: list[Callable[[], None]] = []

    def when_left(self, call: Callable[[], None]) -> None:
        """Have *call* called then, or now where it has happened."""
        with self._lock:
            if not self.has_left:
                self._calls.append(call)
                return
        call()

    def leave(self) -> None:
        with self._lock:
            self.has_left = True
            calls, self._calls = self._calls, []
        for call in calls:
            call()


class Request:
    """One request, behind the middleware; *parameters* are the named parts of its path."""

    def __init__(self, environ: "WSGIEnvironment", parameters: Mapping[str, str]) -> None:
        self._environ = environ
        self.parameters = parameters
        self.id: str = environ[REQUEST_ID]
        self.path: str = environ["PATH_INFO"]
        self.content_type: str = environ.get("CONTENT_TYPE") or ""

    @cached_property
    def body(self) -> bytes:
        size = int(self._environ.get("CONTENT_LENGTH") or 0)
        content: bytes = self._environ["wsgi.input"].read(size)
        return content

    def header(self, name: str) -> str | None:
        value: str | None = self._environ.get("HTTP_" + name.upper().replace("-", "_"))
        return value

    def when_left(self, call: Callable[[], None]) -> None:
        """Have *call* called when the caller has left, where the server can tell."""
        if caller := self._environ.get(CALLER):
            caller.when_left(call)

    # only: text-generation
    def uses_tokens(self, prompt: int, count: Callable[[], int]) -> None:
        """Have those of the prompt, and what *count* gives at the end, counted and logged."""
        self._environ[TOKENS] = lambda: (prompt, count())

    # end
    def timeout_seconds(self, limit: float) -> float:
        """How long the caller waits: X-Request-Timeout, or *limit* where that is less.

        ``InvalidInput`` where the header is not a positive number.
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
    """The value that *body* holds; ``MalformedBody`` where it is not JSON, or nested too deeply.

    Half of a surrogate pair, which only Python's own parser accepts, is left to the code that knows
    the field.
    """
    try:
        return from_json(body)
    except ValueError as error:
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise MalformedBody(f"The body is not JSON: {error}.") from None


def validate(model: type[Model], value: object) -> Model:
    """*value* as *model*; ``InvalidInput`` names each wrong field, unless there are too many."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        if error.error_count() > _MOST_FAULTS:
            raise InvalidInput.of("body", f"{error.error_count()} fields are wrong") from None
        fields = [
            ProblemField(
                field=_name(each["loc"]), detail=_DETAILS.get(each["type"], each["msg"].lower())
            )
            for each in error.errors(include_url=False, include_input=False)
        ]
    raise InvalidInput(f"{fields[0].field}: {fields[0].detail}", fields=fields)


def _name(location: tuple[int | str, ...]) -> str:
    """Where in the body a field stands, as in ``inputs[0].shape``."""
    name = ""
    for part in location:
        name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else part
    return name[:_LONGEST_NAME] or "body"


class Problem(BaseModel):
    """Why a request was not answered."""

    model_config = ConfigDict(extra="allow")  # a protocol may add members
    refused: ClassVar = HTTPStatus.UNPROCESSABLE_ENTITY

    title: str = Field(description="The status in words.")
    status: int
    code: str = Field(description="Stable; for programs.")
    detail: str
    request_id: str = Field(description="Stands in the service's log as well.")
    errors: list[ProblemField] = Field(default_factory=list)


# only: predict
class InferenceProblem(Problem):
    """Why a request was not answered, in the protocol's own member too."""

    error: str = Field(description="The same as `detail`.")


# end
# only: text-generation
class OpenAIProblem(Problem):
    """Why a request was not answered, in the protocol's own member too."""

    refused = HTTPStatus.BAD_REQUEST  # which the protocol's clients expect
    error: Error


# end
def to_problem(
    error: CallerError, path: str, request_id: str
) -> tuple[HTTPStatus, dict[str, str], bytes]:
    status = error.status
    # only: text-generation
    if status == Problem.refused and path.startswith("/v1/"):
        status = OpenAIProblem.refused
    # end
    headers = {"Content-Type": PROBLEM_JSON, **error.headers}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    problem = Problem(
        title=status.phrase,
        status=status,
        code=error.code,
        detail=error.detail,
        request_id=request_id,
        errors=error.fields,
        **_protocol_members(path, error),
    )
    return status, headers, problem.model_dump_json(exclude_defaults=True).encode()


def _protocol_members(path: str, error: CallerError) -> dict[str, Any]:
    """What the clients of a protocol look for in an error, beside the members of a problem."""
    # only: predict
    if path == "/v2" or path.startswith("/v2/"):
        return {"error": error.detail}
    # end
    # only: text-generation
    if path == "/v1" or path.startswith("/v1/"):
        return {"error": Error.of(error)}
    # end
    return {}
