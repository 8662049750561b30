"""Errors on the wire: problem+json (RFC 9457), the same for every route.

A caller may rely on ``code``; titles and details are for people.
"""

from http import HTTPStatus

from pydantic import BaseModel, Field

from service import errors
from service.errors import CallerError

MEDIA_TYPE = "application/problem+json"

_STATUS: dict[type[CallerError], HTTPStatus] = {
    errors.MalformedBody: HTTPStatus.BAD_REQUEST,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    errors.BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.Unexpected: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.ModelFailed: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.NotReady: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Stuck: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.QueueFull: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DeadlineExceeded: HTTPStatus.GATEWAY_TIMEOUT,
}


class ProblemField(BaseModel):
    """What is wrong with one field of the request."""

    field: str
    detail: str


class Problem(BaseModel):
    """Why a request was not answered."""

    title: str = Field(description="The status in words.")
    status: int
    code: str = Field(description="Stable; for programs.")
    detail: str
    request_id: str = Field(description="Stands in the service's log as well.")
    errors: list[ProblemField] = Field(default_factory=list)


def status_of(error: CallerError) -> HTTPStatus:
    """The HTTP status of *error*."""
    return _STATUS[type(error)]


def to_problem(error: CallerError, request_id: str) -> tuple[HTTPStatus, dict[str, str], bytes]:
    """Status, headers and body that tell a caller of *error*."""
    status = status_of(error)
    headers = {"Content-Type": MEDIA_TYPE}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, errors.MethodNotAllowed):
        headers["Allow"] = ", ".join(error.allowed)
    problem = Problem(
        title=status.phrase,
        status=status,
        code=error.code,
        detail=error.detail,
        request_id=request_id,
        errors=[ProblemField(field=each.field, detail=each.detail) for each in error.fields],
    )
    return status, headers, problem.model_dump_json(exclude_defaults=True).encode()
