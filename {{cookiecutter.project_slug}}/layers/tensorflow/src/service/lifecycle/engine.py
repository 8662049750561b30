"""The network in the hands of the lifecycle: seeded, saved, loaded, run and exported."""

import platform
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np

from service.errors import OwnerError
from service.framework import keras, tf
# only: model-server
from service.lifecycle.saved_model import to_saved_model
# end
from service.manifest import Arrays, Signature
from service.numerics import in_batches
from service.owner import Network, Parameters
from service.runtime import check_device, compiled, predictor, quiet

WEIGHTS = "model.weights.h5"


def make_deterministic(seed: int) -> None:
    """Make all that follows in this process depend on *seed* alone."""
    check_device()
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def save(network: Network, path: Path) -> None:
    with quiet():
        network.save_weights(path)


def load(network: Network, path: Path) -> None:
    """Read weights that :func:`save` wrote; ``OwnerError`` where they do not fit, or are broken."""
    try:
        with quiet():
            network.load_weights(path)
    except Exception as error:  # a broken file raises any of half a dozen
        raise OwnerError(
            f'"{path}" does not fit the network in model/network.py, or is broken. Run '
            f'"python -m service.lifecycle train" again. {type(error).__name__}: {error}'
        ) from error


def predict(network: Network, signature: Signature, inputs: Arrays) -> Arrays:
    """The outputs of *network* for a batch of any length."""
    graph = compiled(lambda inputs: network(inputs, training=False), signature)
    return in_batches(predictor(graph, signature), inputs)


def versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }


Exporter: TypeAlias = Callable[[Network, Parameters, Signature, Path], None]


def to_keras(network: Network, _parameters: Parameters, _signature: Signature, path: Path) -> None:
    """Keras's own format."""
    with quiet():
        network.save(path)


def to_h5(network: Network, _parameters: Parameters, _signature: Signature, path: Path) -> None:
    """Keras's older format, in HDF5."""
    with quiet():
        network.save(path)


# only: in-process
def to_saved_model(
    network: Network, _parameters: Parameters, signature: Signature, path: Path
) -> None:
    """A SavedModel, with the signature's names: what model servers read."""
    specification = {
        entry.name: tf.TensorSpec(entry.shape, entry.dtype, name=entry.name)
        for entry in signature.inputs
    }

    def serve(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs: dict[str, tf.Tensor] = network(inputs, training=False)
        return outputs

    function = tf.function(serve).get_concrete_function(**specification)
    module = tf.Module()
    module.network = network  # so that its variables are saved
    # What layers that are random in training draw from: Keras keeps it out of TensorFlow's sight.
    module.seeds = [v.value for v in network.variables if "seed_" in getattr(v, "path", "")]
    with quiet():
        tf.saved_model.save(module, str(path), signatures={"serving_default": function})


# end
EXPORTERS: dict[str, tuple[str, Exporter]] = {
    # Model servers look for saved_model.pb in the version's folder itself.
    "saved_model": (".", to_saved_model),
    "keras": ("model.keras", to_keras),
    "h5": ("model.h5", to_h5),
}
"""Format to path in the version's folder and exporter; the first is served by default.

A format added here needs a loader in ``service.runtime``.
"""
