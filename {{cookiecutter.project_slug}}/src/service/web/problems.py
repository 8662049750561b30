"""Errors on the wire: problem+json (RFC 9457), the same for every route.

A caller may rely on ``code``; titles and details are for people.
"""

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from service.errors import CallerError, MethodNotAllowed
# only: text-generation
from service.web.openai_responses import Error
# end

MEDIA_TYPE = "application/problem+json"


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


# only: predict
class InferenceProblem(Problem):
    """Why a request was not answered, in the protocol's own member too."""

    error: str = Field(description="The same as `detail`.")


# end
# only: text-generation
class OpenAIProblem(Problem):
    """Why a request was not answered, in the protocol's own member too."""

    error: Error


# end
def to_problem(
    error: CallerError, path: str, request_id: str
) -> tuple[HTTPStatus, dict[str, str], bytes]:
    status = error.status
    headers = {"Content-Type": MEDIA_TYPE}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(error.allowed)
    problem = Problem(
        title=status.phrase,
        status=status,
        code=error.code,
        detail=error.detail,
        request_id=request_id,
        errors=[ProblemField(field=each.field, detail=each.detail) for each in error.fields],
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
