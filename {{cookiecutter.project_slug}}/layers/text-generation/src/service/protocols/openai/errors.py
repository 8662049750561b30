"""Errors of the OpenAI API."""

from pydantic import BaseModel, Field

from service import errors
from service.errors import CallerError, FieldError, NotFound

_OURS = (
    errors.NotReady,
    errors.Stuck,
    errors.QueueFull,
    errors.DeadlineExceeded,
    errors.ModelFailed,
    errors.Unexpected,
)
"""What a caller cannot fix."""


class ModelNotFound(NotFound):
    """Another model is served.

    Args:
        wanted: the name that the caller gave.
        served: the name of the model that is served.
    """

    code = "model_not_found"

    def __init__(self, wanted: str, served: str) -> None:
        detail = f"there is no model {wanted[:100]!r}; {served!r} is served"
        super().__init__(f"model: {detail}", fields=[FieldError("model", detail)])


class Error(BaseModel):
    """An error as the clients read it."""

    message: str
    type: str = Field(description="`invalid_request_error` or `server_error`.")
    param: str | None = Field(description="The first field that is wrong.")
    code: str = Field(description="As the problem's.")

    @classmethod
    def of(cls, error: CallerError) -> "Error":
        """What the clients read of *error*."""
        return cls(
            message=error.detail,
            type="server_error" if isinstance(error, _OURS) else "invalid_request_error",
            param=error.fields[0].field if error.fields else None,
            code=error.code,
        )
