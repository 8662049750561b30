"""One function per format that a model version has.

To add a format, add its function and row here, and its loader in ``service.runtime``.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from service.framework import tf
from service.manifest import Signature
from service.network import Network
from service.runtime import quiet

Exporter: TypeAlias = Callable[[Network, Signature, Path], None]


def to_saved_model(network: Network, signature: Signature, path: Path) -> None:
    """A SavedModel, with the signature's names: what model servers read."""
    specification = {
        entry.name: tf.TensorSpec(entry.shape, entry.dtype, name=entry.name)
        for entry in signature.inputs
    }

    def serve(**inputs: Any) -> dict[str, Any]:
        outputs: dict[str, Any] = network(inputs, training=False)
        return outputs

    function = tf.function(serve).get_concrete_function(**specification)
    module = tf.Module()
    module.network = network  # so that its variables are saved
    with quiet():
        tf.saved_model.save(module, str(path), signatures={"serving_default": function})


def to_keras(network: Network, _signature: Signature, path: Path) -> None:
    """Keras's own format."""
    with quiet():
        network.save(path)


def to_h5(network: Network, _signature: Signature, path: Path) -> None:
    """Keras's older format, in HDF5."""
    with quiet():
        network.save(path)


EXPORTERS: dict[str, tuple[str, Exporter]] = {
    # Model servers look for saved_model.pb in the version's folder itself.
    "saved_model": (".", to_saved_model),
    "keras": ("model.keras", to_keras),
    "h5": ("model.h5", to_h5),
}
"""Format to path in the version's folder and exporter; the first is served by default."""
