"""Arrays -> arrays: the model in TensorFlow Serving."""

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from service.lengths import signature_lengths, signature_name
from service.manifest import Arrays, Manifest, Tensor
from service.owner import Parameters
from service.server_errors import InputFailed
from service.settings import Settings
from service.tensorflow_serving import connect

FULL_BATCH = 32
"""Rows that share a run with none: ``max_batch_size`` in ``model_server/batching.config``."""


class ModelServer:
    """A model that predicts, in TensorFlow Serving.

    Args:
        settings: where TensorFlow Serving is.
        manifest: the version's.
    """

    def __init__(self, settings: Settings, manifest: Manifest) -> None:
        self.manifest = manifest
        self.transport = connect(settings, manifest)
        self.is_ready = self.transport.is_ready
        self.close = self.transport.close
        self._lengths = signature_lengths(Parameters.model_validate(manifest.parameters))
        self._dtypes = {tensor.name: tensor.dtype for tensor in manifest.signature.outputs}

    def predict(self, batch: Arrays, *, timeout_seconds: float) -> Arrays:
        """The outputs for *batch*, as ``PredictingServer`` says."""
        length = self._length_of(batch)
        known = next((each for each in self._lengths if length and each >= length), None)
        if known is None:
            name = "serving_default"
        else:
            name = signature_name(known)
            batch = {
                tensor.name: _padded(batch[tensor.name], tensor, known)
                for tensor in self.manifest.signature.inputs
            }
        outputs = self._ask(name, batch, timeout_seconds)
        if known in {None, length}:
            return outputs
        return {
            tensor.name: outputs[tensor.name][_open_axes(tensor, length)]
            for tensor in self.manifest.signature.outputs
            if tensor.name in outputs
        }

    def _ask(self, name: str, batch: Arrays, seconds: float) -> Arrays:
        """The outputs of a signature.

        TensorFlow Serving fails all requests in a run of the model for an input in one of them, so
        one that fails is retried alone.
        """
        end = time.monotonic() + seconds
        try:
            return self.transport.predict(name, batch, self._dtypes, seconds=seconds)
        except InputFailed:
            left = end - time.monotonic()
            rows = len(next(iter(batch.values())))
            if left <= 0 or rows >= FULL_BATCH:
                raise
        full = {key: array[np.arange(FULL_BATCH) % rows] for key, array in batch.items()}
        outputs = self.transport.predict(name, full, self._dtypes, seconds=left)
        return {key: array[:rows] for key, array in outputs.items()}

    def _length_of(self, batch: Arrays) -> int:
        """How long the inputs are; 0 where all axes are fixed."""
        for tensor in self.manifest.signature.inputs:
            for axis, size in enumerate(tensor.shape[1:], start=1):
                if size is None:
                    return int(batch[tensor.name].shape[axis])
        return 0


def _padded(array: npt.NDArray[Any], tensor: Tensor, length: int) -> npt.NDArray[Any]:
    """*array* with zeros behind what its open axes have."""
    widths = [
        (0, length - found if size is None and axis else 0)
        for axis, (size, found) in enumerate(zip(tensor.shape, array.shape, strict=True))
    ]
    return np.pad(array, widths)


def _open_axes(tensor: Tensor, length: int) -> tuple[slice, ...]:
    """What of a tensor belongs to inputs of *length*, and not to their padding."""
    behind = (slice(length) if size is None else slice(None) for size in tensor.shape[1:])
    return (slice(None), *behind)
