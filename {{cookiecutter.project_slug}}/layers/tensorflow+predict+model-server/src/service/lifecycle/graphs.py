"""Networks that predict -> the graphs that TensorFlow Serving runs, a signature each."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from service.framework import tf
from service.lengths import signature_lengths, signature_name
from service.manifest import Arrays, Signature
from service.owner import Network, Parameters


@dataclass(frozen=True)
class Graph:
    """A graph, and a request that warms it."""

    function: Any
    """A concrete function of TensorFlow."""
    example: Arrays
    """Named inputs of one row."""


def graphs(network: Network, parameters: Parameters, signature: Signature) -> dict[str, Graph]:
    """By the signature's name: one for inputs of any shape, and one for each length of inputs."""
    lengths = signature_lengths(parameters)
    named: dict[str, int | None] = {"serving_default": None}
    named |= {signature_name(length): length for length in lengths}
    return {
        name: Graph(
            _function(network, signature, length),
            {
                entry.name: np.ones([size or length or 1 for size in entry.shape[1:]])[None].astype(
                    entry.dtype
                )
                for entry in signature.inputs
            },
        )
        for name, length in named.items()
    }


def _function(network: Network, signature: Signature, length: int | None) -> Any:
    """One graph for batches of every size; *length* takes the place of open axes."""
    specification = {
        entry.name: tf.TensorSpec(
            [None, *(length if size is None else size for size in entry.shape[1:])],
            entry.dtype,
            name=entry.name,
        )
        for entry in signature.inputs
    }

    def serve(**inputs: Any) -> dict[str, Any]:
        outputs: dict[str, Any] = network(inputs, training=False)
        return outputs

    return tf.function(serve).get_concrete_function(**specification)
