"""Settings of a model behind a model server."""

from pydantic import Field

from service.server_settings import ServerSettings


class ServingSettings(ServerSettings):
    """How the model server is called."""

    max_running_sequences: int = Field(default=64, ge=1)
    """Most sequences in flight; more are refused."""
