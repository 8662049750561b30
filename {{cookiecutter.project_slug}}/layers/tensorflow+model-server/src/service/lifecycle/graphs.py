"""Networks -> the graphs that TensorFlow Serving runs, a signature each."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from service.framework import tf
# only: text-generation
from service.lifecycle.generation_graph import generate
# end
from service.manifest import Arrays, Signature
# only: predict
from service.model_server import signature_lengths, signature_name
# end
# only: text-generation
from service.model_server import MOST_END_TOKENS, signature_lengths, signature_name
# end
from service.owner import Network, Parameters
# only: text-generation

_ROW = {
    "max_new_tokens": "int64",
    "temperature": "float64",
    "top_k": "int64",
    "top_p": "float64",
    "repetition_penalty": "float64",
    "presence_penalty": "float64",
    "frequency_penalty": "float64",
}
"""Inputs with one number a row."""
# end


@dataclass(frozen=True)
class Graph:
    """A graph, and a request that warms it."""

    function: Any
    """A concrete function of TensorFlow."""
    example: Arrays
    """Named inputs of one row."""


def graphs(network: Network, parameters: Parameters, signature: Signature) -> dict[str, Graph]:
    # only: predict
    """By the signature's name: one for inputs of any shape, and one for each length of inputs."""
    # end
    # only: text-generation
    """By the signature's name: one step of the model, and whole texts after prompts of a length."""
    # end
    found = {"serving_default": _run(network, signature, None)}
    for length in signature_lengths(parameters):
        # only: predict
        found[signature_name(length)] = _run(network, signature, length)
        # end
        # only: text-generation
        found[signature_name(length)] = _whole(network, parameters, length)
        # end
    return found


def _run(network: Network, signature: Signature, length: int | None) -> Graph:
    """One run of the network, for batches of every size; *length* takes the place of open axes."""
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

    example = {
        entry.name: np.ones((1, *(size or length or 1 for size in entry.shape[1:])), entry.dtype)
        for entry in signature.inputs
    }
    return Graph(tf.function(serve).get_concrete_function(**specification), example)
# only: text-generation


def _whole(network: Network, parameters: Parameters, length: int) -> Graph:
    specification = {
        "tokens": tf.TensorSpec((None, length), "int64", name="tokens"),
        "lengths": tf.TensorSpec((None,), "int64", name="lengths"),
        "end_tokens": tf.TensorSpec((None, MOST_END_TOKENS), "int64", name="end_tokens"),
        "uniforms": tf.TensorSpec((None, parameters.context_length), "float64", name="uniforms"),
        **{name: tf.TensorSpec((None,), dtype, name=name) for name, dtype in _ROW.items()},
    }

    def serve(**inputs: Any) -> dict[str, Any]:
        return generate(network, parameters, inputs)

    example: Arrays = {
        "tokens": np.zeros((1, length), np.int64),
        "lengths": np.ones(1, np.int64),
        "end_tokens": np.full((1, MOST_END_TOKENS), -1, np.int64),
        "uniforms": np.zeros((1, parameters.context_length)),
        **{name: np.ones(1, dtype) for name, dtype in _ROW.items()},
    }
    return Graph(tf.function(serve).get_concrete_function(**specification), example)
# end
