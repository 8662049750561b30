"""Errors on the wire: problem+json (RFC 9457), the same for every route.

A caller may rely on ``code``; titles and details are for people.
"""

from http import HTTPStatus

from pydantic import BaseModel, ConfigDict, Field

from service import errors
from service.errors import CallerError
from service.web.protocol_errors import error_member
from service.web.serving_problems import SERVING_STATUS

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
    errors.DeadlineExceeded: HTTPStatus.GATEWAY_TIMEOUT,
    **SERVING_STATUS,
}


class ProblemField(BaseModel):
    """What is wrong with one field of the request."""

    field: str
    detail: str


class Problem(BaseModel):
    """Why a request was not answered."""

    model_config = ConfigDict(extra="allow")  # a protocol may add members

    title: str = Field(description="The status in words.")
    status: int
    code: str = Field(description="Stable; for programs.")
    detail: str
    request_id: str = Field(description="Stands in the service's log as well.")
    errors: list[ProblemField] = Field(default_factory=list)


def status_of(error: CallerError) -> HTTPStatus:
    """The HTTP status of *error*, or of the error that it is a kind of."""
    return next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)


def to_problem(
    error: CallerError, path: str, request_id: str
) -> tuple[HTTPStatus, dict[str, str], bytes]:
    """Status, headers and body that tell the caller of *path* of *error*."""
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
        **error_member(path, error),
    )
    return status, headers, problem.model_dump_json(exclude_defaults=True).encode()
