"""TensorFlow Serving, over the interface that the URL's scheme names."""

from collections.abc import Mapping
from typing import Protocol

from service.grpc_transport import GrpcTransport
from service.manifest import Arrays, Manifest
from service.rest_transport import RestTransport
from service.settings import Settings

_GRPC = "grpc://"


class Transport(Protocol):
    """What both interfaces can do."""

    def is_available(self, *, seconds: float) -> bool:
        """Whether the version answers."""

    def predict(
        self, signature_name: str, inputs: Arrays, dtypes: Mapping[str, str], *, seconds: float
    ) -> Arrays:
        """The named outputs of a signature, whose types are told."""

    def close(self) -> None:
        """Close the connections."""


class ServerConnection:
    """One version of a model in TensorFlow Serving, for all threads of this process.

    Args:
        settings: where TensorFlow Serving is.
        manifest: the version's.
    """

    def __init__(self, settings: Settings, manifest: Manifest) -> None:
        url = settings.model_server_url.rstrip("/")
        self.manifest = manifest
        self.transport: Transport = (
            GrpcTransport(url.removeprefix(_GRPC), manifest)
            if url.startswith(_GRPC)
            else RestTransport(url, manifest, settings.http_threads)
        )

    def is_ready(self, *, timeout_seconds: float) -> bool:
        """Whether the version is loaded and warm.

        Raises:
            ServerError: the call failed.
        """
        return self.transport.is_available(seconds=timeout_seconds)

    def close(self) -> None:
        """Close the connections."""
        self.transport.close()
