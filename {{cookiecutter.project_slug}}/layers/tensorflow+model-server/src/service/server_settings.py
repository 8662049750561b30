"""Settings of TensorFlow Serving's client."""

from pydantic import Field

from service.circuit_settings import CircuitSettings


class ServerSettings(CircuitSettings):
    """Where TensorFlow Serving is."""

    model_server_url: str = Field(
        default="grpc://127.0.0.1:8500", pattern=r"^(grpc|https?)://[^/]+/?$"
    )
    """The scheme selects one of its two interfaces."""
