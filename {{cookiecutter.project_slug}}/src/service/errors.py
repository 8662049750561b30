"""What can go wrong, one class a meaning."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from pydantic import ValidationError


class OwnerError(Exception):
    """The owner's set-up is wrong: a setting, a model folder, an artefact."""


def first_fault(error: ValidationError, whole: str = "the whole file") -> str:
    """Where the first fault is, *whole* when it is no field's, and what is wrong there."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or whole}: {first['msg']}"


class BadValue(ValueError):
    """A value that a task cannot read; the message says what it is and what is accepted."""


@dataclass
class FieldError:
    """What is wrong with one field of a request."""

    field: str
    detail: str


class CallerError(Exception):
    """A request that is not answered; the message is for its caller.

    Args:
        detail: what is wrong, the value found, and what is accepted.
        fields: the fields that are wrong, where the fault lies in some.
        retry_after_seconds: when a retry makes sense, if it does.
    """

    code = "error"
    """Stable; for programs."""
    status = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(
        self,
        detail: str,
        *,
        fields: list[FieldError] | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = fields or []
        self.retry_after_seconds = retry_after_seconds


class MalformedBody(CallerError):
    """The body is not what its Content-Type says."""

    code = "malformed_body"
    status = HTTPStatus.BAD_REQUEST


class InvalidInput(CallerError):
    """A field is missing or has a value that is not accepted."""

    code = "invalid_input"
    status = HTTPStatus.UNPROCESSABLE_ENTITY

    @classmethod
    def of(cls, field: str, detail: str) -> "InvalidInput":
        """The error for one *field*."""
        return cls(f"{field}: {detail}", fields=[FieldError(field, detail)])


class BodyTooLarge(CallerError):
    """The body has more bytes than are accepted."""

    code = "body_too_large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UnsupportedMediaType(CallerError):
    """The route does not read this Content-Type or Content-Encoding."""

    code = "unsupported_media_type"
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class NotFound(CallerError):
    """No such route, file or model."""

    code = "not_found"
    status = HTTPStatus.NOT_FOUND


class MethodNotAllowed(CallerError):
    """The route exists, but not for this method.

    Args:
        detail: as for every error.
        allowed: the methods that the route has.
    """

    code = "method_not_allowed"
    status = HTTPStatus.METHOD_NOT_ALLOWED

    def __init__(self, detail: str, *, allowed: Sequence[str]) -> None:
        super().__init__(detail)
        self.allowed = allowed


class NotReady(CallerError):
    """The model is still loading, or the service is about to stop."""

    code = "not_ready"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class Stuck(CallerError):
    """The model has run for too long, or its thread has ended."""

    code = "stuck"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class QueueFull(CallerError):
    """More inputs wait for the model than may."""

    code = "queue_full"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class DeadlineExceeded(CallerError):
    """The answer would have come too late."""

    code = "deadline_exceeded"
    status = HTTPStatus.GATEWAY_TIMEOUT


class ModelFailed(CallerError):
    """The model raised, or answered with what is no answer."""

    code = "model_failed"


# only: model-server
class ModelServerUnavailable(CallerError):
    """The model server is not reached, or is left alone for now."""

    code = "model_server_unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class ModelServerFailed(CallerError):
    """The model server failed, or its answer is none."""

    code = "model_server_failed"
    status = HTTPStatus.BAD_GATEWAY


# end
class Unexpected(CallerError):
    """A bug in the service; the log has it."""

    code = "unexpected"

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
