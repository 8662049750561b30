"""A SavedModel, as this service loads it."""

from pathlib import Path
from typing import Any

from service.framework import tf
from service.manifest import Signature
from service.owner import Network, Parameters
from service.runtime import quiet


def to_saved_model(
    network: Network, _parameters: Parameters, signature: Signature, path: Path
) -> None:
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
