"""What can go wrong, one class a meaning."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from pydantic import BaseModel, ValidationError


class OwnerError(Exception):
    """The owner's set-up is wrong: a setting, a model folder, an artefact."""


def first_fault(error: ValidationError, whole: str = "the whole file") -> str:
    """Where the first fault is, *whole* when it is no field's, and what is wrong there."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or whole}: {first['msg']}"


class BadValue(ValueError):
    """A value that a task cannot read; the message says what it is and what is accepted."""


class TooLong(BadValue):
    """A text that has more than is accepted."""


class ProblemField(BaseModel):
    """What is wrong with one field of the request."""

    field: str
    detail: str


class CallerError(Exception):
    """A request that is not answered.

    Args:
        detail: for its caller: what is wrong, the value found, and what is accepted.
        fields: those that are wrong, if some are.
        retry_after_seconds: when a retry makes sense, if it does.
    """

    code = "error"
    """Stable; for programs."""
    status = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init_subclass__(cls, code: str = "", status: HTTPStatus | None = None) -> None:
        cls.code = code or cls.code
        cls.status = status or cls.status

    headers: Mapping[str, str] = {}
    """More of its answer."""

    def __init__(
        self,
        detail: str,
        *,
        fields: list[ProblemField] | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = fields or []
        self.retry_after_seconds = retry_after_seconds


class MalformedBody(CallerError, code="malformed_body", status=HTTPStatus.BAD_REQUEST):
    """The body is not what its Content-Type says."""


class MalformedRequest(CallerError, code="malformed_request", status=HTTPStatus.BAD_REQUEST):
    """What came is no HTTP/1.1, or asks for what HTTP/1.1 is not used for here."""


class RequestTimeout(CallerError, code="request_timeout", status=HTTPStatus.REQUEST_TIMEOUT):
    """The request was not complete in time, or its caller has left."""


class InvalidInput(CallerError, code="invalid_input", status=HTTPStatus.UNPROCESSABLE_ENTITY):
    """A field is missing or has a value that is not accepted."""

    @classmethod
    def of(cls, field: str, detail: str) -> "InvalidInput":
        return cls(f"{field}: {detail}", fields=[ProblemField(field=field, detail=detail)])


# only: text-generation
class ContextLengthExceeded(InvalidInput, code="context_length_exceeded"):
    """A prompt is longer than the model reads."""


# end
class BodyTooLarge(CallerError, code="body_too_large", status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
    """The body has more bytes than are accepted."""


class UnsupportedMediaType(
    CallerError, code="unsupported_media_type", status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE
):
    """The route does not read this Content-Type or Content-Encoding."""


class NotFound(CallerError, code="not_found", status=HTTPStatus.NOT_FOUND):
    """No such route, file or model."""


class MethodNotAllowed(
    CallerError, code="method_not_allowed", status=HTTPStatus.METHOD_NOT_ALLOWED
):
    """The route exists, but not for this method; *allowed* are those that it has."""

    def __init__(self, detail: str, *, allowed: Sequence[str]) -> None:
        super().__init__(detail)
        self.headers = {"Allow": ", ".join(allowed)}


class NotAdmitted(CallerError):
    """The request is refused by its head; nobody has to read its body."""


class Unauthorized(NotAdmitted, code="unauthorized", status=HTTPStatus.UNAUTHORIZED):
    """There is no API key, or none that is known."""

    headers: Mapping[str, str] = {"WWW-Authenticate": "Bearer"}

    def __init__(self, detail: str) -> None:
        super().__init__(f'{detail} Send one as "Authorization: Bearer KEY" or "X-API-Key: KEY".')


class Forbidden(NotAdmitted, code="forbidden", status=HTTPStatus.FORBIDDEN):
    """The API key has not the *scope* that the route needs."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"The API key has not the scope {scope}, which this route needs.")
        self.headers = {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'}


class TooManyRequests(NotAdmitted, code="too_many_requests", status=HTTPStatus.TOO_MANY_REQUESTS):
    """The API key has sent as much as it may, for now."""


class NotReady(CallerError, code="not_ready", status=HTTPStatus.SERVICE_UNAVAILABLE):
    """The model is still loading, or the service is about to stop."""


class Stuck(CallerError, code="stuck", status=HTTPStatus.SERVICE_UNAVAILABLE):
    """The model has run for too long, or its thread has ended."""


class QueueFull(CallerError, code="queue_full", status=HTTPStatus.SERVICE_UNAVAILABLE):
    """More inputs wait for the model than may."""


class DeadlineExceeded(CallerError, code="deadline_exceeded", status=HTTPStatus.GATEWAY_TIMEOUT):
    """The answer would have come too late."""


class ModelFailed(CallerError, code="model_failed"):
    """The model raised, or answered with what is no answer."""


# only: model-server
class ModelServerUnavailable(
    CallerError, code="model_server_unavailable", status=HTTPStatus.SERVICE_UNAVAILABLE
):
    """The model server is not reached, or is left alone for now."""


class ModelServerFailed(CallerError, code="model_server_failed", status=HTTPStatus.BAD_GATEWAY):
    """The model server failed, or its answer is none."""


# end
class Unexpected(CallerError, code="unexpected"):
    """A bug in the service; the log has it."""

    def __init__(self) -> None:
        super().__init__("Something went wrong here. The log has it under the request id.")
# only: model-server


class ServerError(Exception):
    """The model server gave no answer; the message is for the log, with what the server said.

    Its client raises these; ``upstream.py`` decides what a caller is told.
    """

    is_ill = True
    """It is a failure of the server, not of the request."""


class Unreachable(ServerError):
    """No connection was made, or it broke before an answer was complete."""


class Busy(ServerError):
    """The server takes no more for now: its queue is full, or the model is being loaded."""

    is_ill = False


class TimedOut(ServerError):
    """The answer was not complete when its time was over."""


class Failed(ServerError):
    """The server, or the model in it, raised."""


class Garbage(ServerError):
    """The answer is not what the protocol, or the model's signature, says."""


class Refused(ServerError):
    """The server refuses the call: no such version, no such input, no token."""


class InputFailed(ServerError):
    """The model raised on this very input."""

    is_ill = False
# end
