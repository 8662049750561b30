"""The environment, read once.

Every setting is in ``.env.example`` and in the README's table, as a test checks.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.errors import OwnerError
from service.model_settings import HTTP_THREADS, REQUEST_TIMEOUT_SECONDS, SHUTDOWN_SECONDS
from service.serving_settings import ServingSettings
from service.task_settings import TaskSettings


class Settings(TaskSettings, ServingSettings, BaseSettings):
    """Everything that can be set from outside; the defaults work on a laptop."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        protected_namespaces=(),
    )

    model_dir: Path = Path("models/default")
    """Folder with one folder per version."""
    model_version: int | None = Field(default=None, ge=1)
    """When ``None``, the one that ``make use`` chose, or the newest."""
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    http_threads: int = Field(default=HTTP_THREADS, ge=1)
    """Threads that handle requests. A request that waits for the model holds one."""
    request_timeout_seconds: float = Field(default=REQUEST_TIMEOUT_SECONDS, gt=0)
    max_body_bytes: int = Field(default=10 * 1024 * 1024, ge=1)
    max_inputs: int = Field(default=32, ge=1)
    drain_seconds: float = Field(default=5, ge=0)
    """Time from SIGTERM to the closing of the socket, in which /readyz says no."""
    shutdown_seconds: int = Field(default=SHUTDOWN_SECONDS, ge=1)
    """Time for requests in flight to finish then; longer than a request may take."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] | None = None
    """When ``None``, ``console`` on a terminal and ``json`` elsewhere."""


def read_settings() -> Settings:
    """The settings as the environment and ``.env`` have them.

    Raises:
        OwnerError: a value is not accepted.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).upper()
        raise OwnerError(f"{name} is {first['input']!r}: {first['msg']}.") from None
