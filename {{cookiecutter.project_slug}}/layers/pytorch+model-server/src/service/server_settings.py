"""Settings of TorchServe's client."""

from pathlib import Path

from pydantic import Field

from service.circuit_settings import CircuitSettings


class ServerSettings(CircuitSettings):
    """Where TorchServe is."""

    model_server_url: str = Field(default="http://127.0.0.1:8080", pattern=r"^https?://[^/]+/?$")
    """Its inference address."""
    model_server_key_file: Path = Path("build/model-server/key_file.json")
    """Where it writes its tokens."""
