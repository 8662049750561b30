"""Golden arrays of a model version without a network."""

import numpy as np
import samples

from service.manifest import Arrays


def golden() -> tuple[Arrays, Arrays]:
    """Inputs of zeros, and what the model that is no model answers; a batch of two each."""
    one: Arrays = {
        tensor.name: np.zeros([size or 2 for size in tensor.shape[1:]], tensor.dtype)
        for tensor in samples.SIGNATURE.inputs
    }
    inputs = {name: np.stack([array, array]) for name, array in one.items()}
    outputs = {name: np.stack([array, array]) for name, array in samples.outputs(one).items()}
    return inputs, outputs
