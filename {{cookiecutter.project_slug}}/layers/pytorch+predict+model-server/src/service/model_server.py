"""Arrays -> arrays: the model in TorchServe, over HTTP, tensors as safetensors."""

from http import HTTPStatus

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from service.manifest import Arrays
from service.server_connection import ServerConnection, to_error
from service.server_errors import Garbage


class ModelServer(ServerConnection):
    """A model that predicts, in TorchServe."""

    def predict(self, batch: Arrays, *, timeout_seconds: float) -> Arrays:
        """The outputs for *batch*, as ``Server`` says.

        Args:
            batch: named arrays with a leading batch axis.
            timeout_seconds: for the whole call.

        Raises:
            ServerError: there is no answer within the time, or it is none.
        """
        body = save({key: np.ascontiguousarray(array) for key, array in batch.items()})
        opened = self._open(
            "POST",
            seconds=timeout_seconds,
            body=body,
            headers={"Content-Type": "application/octet-stream"},
        )
        with opened as (status, chunks):
            said = b"".join(chunks)
        if status != HTTPStatus.OK:
            raise to_error(status, said)
        try:
            return dict(load(said))
        except SafetensorError as error:
            raise Garbage(f"TorchServe answers what is no safetensors: {error}") from error
