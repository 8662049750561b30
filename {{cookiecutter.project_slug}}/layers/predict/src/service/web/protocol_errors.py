"""What the clients of a protocol look for in an error, beside the members of a problem."""

from typing import Any

from service.errors import CallerError


def error_member(path: str, error: CallerError) -> dict[str, Any]:
    """The member that the protocol of *path* demands; none on the service's own routes."""
    is_open_inference = path == "/v2" or path.startswith("/v2/")
    return {"error": error.detail} if is_open_inference else {}
