"""What a caller is told when the model server gives no answer. Knows nothing of HTTP."""

from service import server_errors
from service.errors import (
    CallerError,
    DeadlineExceeded,
    ModelFailed,
    ModelServerFailed,
    ModelServerUnavailable,
    QueueFull,
)
from service.server_errors import ServerError


def to_caller_error(error: ServerError) -> CallerError:
    """What *error* means for the caller; the server's own words stay in the log."""
    match error:
        case server_errors.Unreachable():
            return ModelServerUnavailable("The model server is not reached.", retry_after_seconds=1)
        case server_errors.Busy():
            return QueueFull("The model server takes no more for now.", retry_after_seconds=1)
        case server_errors.TimedOut():
            return DeadlineExceeded("No answer in the time that the caller waits.")
        case server_errors.InputFailed():
            return ModelFailed("The model failed on this input.")
        case _:
            return ModelServerFailed("The model server failed.")
