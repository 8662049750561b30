"""A Hugging Face checkpoint's weights -> an encoder with its head.

Read here and not by KerasHub, which leaves out the weights of heads. Knows nothing of training.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401 - lets NumPy read bfloat16
import numpy as np
import numpy.typing as npt
from safetensors import safe_open

from service.errors import OwnerError

_BERT = {
    r"token_embedding/embeddings": "embeddings.word_embeddings.weight",
    r"position_embedding/embeddings": "embeddings.position_embeddings.weight",
    r"segment_embedding/embeddings": "embeddings.token_type_embeddings.weight",
    r"embeddings_layer_norm/(\w+)": r"embeddings.LayerNorm.\1",
    r"transformer_layer_(\d+)/self_attention_layer/(query|key|value)/(\w+)": (
        r"encoder.layer.\1.attention.self.\2.\3"
    ),
    r"transformer_layer_(\d+)/self_attention_layer/attention_output/(\w+)": (
        r"encoder.layer.\1.attention.output.dense.\2"
    ),
    r"transformer_layer_(\d+)/self_attention_layer_norm/(\w+)": (
        r"encoder.layer.\1.attention.output.LayerNorm.\2"
    ),
    r"transformer_layer_(\d+)/feedforward_intermediate_dense/(\w+)": (
        r"encoder.layer.\1.intermediate.dense.\2"
    ),
    r"transformer_layer_(\d+)/feedforward_output_dense/(\w+)": r"encoder.layer.\1.output.dense.\2",
    r"transformer_layer_(\d+)/feedforward_layer_norm/(\w+)": (
        r"encoder.layer.\1.output.LayerNorm.\2"
    ),
    r"pooled_dense/(\w+)": r"pooler.dense.\1",
}
_DISTILBERT = {
    r"token_and_position_embedding/token_embedding/embeddings": (
        "embeddings.word_embeddings.weight"
    ),
    r"token_and_position_embedding/position_embedding/embeddings": (
        "embeddings.position_embeddings.weight"
    ),
    r"embeddings_layer_norm/(\w+)": r"embeddings.LayerNorm.\1",
    r"transformer_layer_(\d+)/self_attention_layer/([qkv])\w+/(\w+)": (
        r"transformer.layer.\1.attention.\2_lin.\3"
    ),
    r"transformer_layer_(\d+)/self_attention_layer/attention_output/(\w+)": (
        r"transformer.layer.\1.attention.out_lin.\2"
    ),
    r"transformer_layer_(\d+)/self_attention_layer_norm/(\w+)": (
        r"transformer.layer.\1.sa_layer_norm.\2"
    ),
    r"transformer_layer_(\d+)/feedforward_intermediate_dense/(\w+)": (
        r"transformer.layer.\1.ffn.lin1.\2"
    ),
    r"transformer_layer_(\d+)/feedforward_output_dense/(\w+)": r"transformer.layer.\1.ffn.lin2.\2",
    r"transformer_layer_(\d+)/feedforward_layer_norm/(\w+)": (
        r"transformer.layer.\1.output_layer_norm.\2"
    ),
}
_HEADS = {r"pre_classifier/(\w+)": r"pre_classifier.\1", r"logits/(\w+)": r"classifier.\1"}
_NAMES = {"bert": {**_BERT, **_HEADS}, "distilbert": {**_DISTILBERT, **_HEADS}}
"""For each family: the path of a variable of Keras to the name of a tensor in the checkpoint."""

_LEAVES = {"kernel": "weight", "gamma": "weight", "beta": "bias"}
_OPTIONAL = ("pooler.", "pre_classifier.", "classifier.")
"""Beginnings of names that a checkpoint may lack, or have for other labels."""


def assign(variables: Iterable[Any], family: str, folder: Path) -> None:
    """Give *variables* the values that they have in the checkpoint in *folder*.

    Those of a head that is not there, or is for another number of labels, stay as they are.

    Raises:
        OwnerError: the checkpoint lacks a weight of the encoder, or has it in another shape.
    """
    tensors = _read(folder)
    for variable in variables:
        name = _name_of(variable.path, family, tensors)
        value = tensors.get(name)
        if variable.path.endswith("kernel") and value is not None:
            value = value.T
        fits = value is not None and value.size == np.prod(variable.shape)
        if value is not None and fits:
            variable.assign(value.reshape(variable.shape))
        elif not name.startswith(_OPTIONAL):
            found = "not there" if value is None else f"of shape {value.shape}"
            raise OwnerError(
                f'The base model in "{folder}" has no fitting {name}: it is {found}; '
                f"{tuple(variable.shape)} is wanted."
            )


def _name_of(path: str, family: str, tensors: Mapping[str, Any]) -> str:
    source = next(
        re.sub(pattern, name, path)
        for pattern, name in _NAMES[family].items()
        if re.fullmatch(pattern, path)
    )
    module, _, leaf = source.rpartition(".")
    if source in tensors:  # the first BERT checkpoints say gamma and beta as well
        return source
    return f"{module}.{_LEAVES.get(leaf, leaf)}"


def _read(folder: Path) -> dict[str, npt.NDArray[Any]]:
    """All tensors of a checkpoint, by their names without the encoder's own."""
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="np") as file:
            for name in file.keys():  # noqa: SIM118 - it is no dictionary
                tensors[re.sub(r"^(distil)?bert\.", "", name)] = file.get_tensor(name)
    return tensors
