"""Settings of a model behind a model server."""

from pydantic import Field

from service.server_settings import ServerSettings
from service.task_settings import MAX_BATCH_SIZE


class ServingSettings(ServerSettings):
    """How the model server is called."""

    max_batch_size: int = Field(default=MAX_BATCH_SIZE, ge=1)
    """Most inputs in one call; the server's own limit must not be lower."""
