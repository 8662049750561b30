"""What the clients of a protocol look for in an error, beside the members of a problem."""

from typing import Any

from service.errors import CallerError
from service.protocols.openai.errors import Error


def error_member(path: str, error: CallerError) -> dict[str, Any]:
    """The member that the protocol of *path* demands; none on the service's own routes."""
    is_openai = path == "/v1" or path.startswith("/v1/")
    return {"error": Error.of(error)} if is_openai else {}
