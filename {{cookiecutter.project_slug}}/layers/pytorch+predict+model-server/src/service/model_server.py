"""Arrays -> arrays: the model in TorchServe, over HTTP, tensors as safetensors."""

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from service.manifest import Arrays, Manifest
from service.server_errors import Garbage
from service.settings import Settings
from service.torchserve import TorchServe


class ModelServer:
    """A model that predicts, in TorchServe.

    Args and errors are those of ``TorchServe``.
    """

    def __init__(self, settings: Settings, manifest: Manifest) -> None:
        self._server = TorchServe(settings, manifest)
        self.is_ready = self._server.is_ready
        self.close = self._server.close

    def predict(self, batch: Arrays, *, timeout_seconds: float) -> Arrays:
        """The outputs for *batch*, named arrays with a leading batch axis."""
        body = save({name: np.ascontiguousarray(array) for name, array in batch.items()})
        with self._server.post(body, seconds=timeout_seconds) as chunks:
            answer = b"".join(chunks)
        try:
            return dict(load(answer))
        except SafetensorError as error:
            raise Garbage(f"TorchServe's answer is no safetensors: {error}") from error
