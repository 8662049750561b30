"""The families of decoders that are known here, by Hugging Face's ``config.json``.

KerasHub passes over settings that it cannot do, so that the answers would be wrong without a word;
here they are refused. Knows nothing of training or files.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from service import framework  # noqa: F401 - before KerasHub, which imports TensorFlow
from service.errors import OwnerError  # isort: split

import keras_hub

Config: TypeAlias = dict[str, Any]


class Family(NamedTuple):
    """One family.

    Args:
        backbone: KerasHub's class.
        options: what such a backbone is made with.
        context_length: the name of the setting that says how many positions there are.
        defaults: what older checkpoints leave out, and KerasHub wants to read.
    """

    backbone: Any
    options: Callable[[Config], dict[str, Any]]
    context_length: str
    defaults: Callable[[Config], Config]


def gpt2_options(config: Config) -> dict[str, Any]:
    """What a GPT-2 is made with."""
    _refuse_others(config, "activation_function", "gelu_new")
    _refuse_others(config, "n_inner", 4 * config["n_embd"])
    _refuse_others(config, "layer_norm_epsilon", 1e-5)
    _refuse_others(config, "scale_attn_weights", True)  # noqa: FBT003 - a value, not a flag
    _refuse_others(config, "scale_attn_by_inverse_layer_idx", False)  # noqa: FBT003
    return {
        "vocabulary_size": config["vocab_size"],
        "num_layers": config["n_layer"],
        "num_heads": config["n_head"],
        "hidden_dim": config["n_embd"],
        "intermediate_dim": 4 * config["n_embd"],
        "dropout": config.get("resid_pdrop", 0.1),
        "max_sequence_length": config["n_positions"],
    }


def llama_options(config: Config) -> dict[str, Any]:
    """What a Llama is made with."""
    heads = config["num_attention_heads"]
    _refuse_others(config, "head_dim", config["hidden_size"] // heads)
    _refuse_others(config, "attention_bias", False)  # noqa: FBT003
    _refuse_others(config, "mlp_bias", False)  # noqa: FBT003
    _refuse_others(config, "hidden_act", "silu")
    return {
        "vocabulary_size": config["vocab_size"],
        "num_layers": config["num_hidden_layers"],
        "num_query_heads": heads,
        "num_key_value_heads": config.get("num_key_value_heads") or heads,
        "hidden_dim": config["hidden_size"],
        "intermediate_dim": config["intermediate_size"],
        "layer_norm_epsilon": config.get("rms_norm_eps", 1e-6),
        "tie_word_embeddings": config.get("tie_word_embeddings", False),
        **_rope_options(config),
    }


FAMILIES = {
    "llama": Family(
        keras_hub.models.Llama3Backbone,
        llama_options,
        "max_position_embeddings",
        lambda config: {
            "num_key_value_heads": config["num_attention_heads"],
            "rope_theta": 10_000.0,
            "tie_word_embeddings": False,
        },
    ),
    "gpt2": Family(
        keras_hub.models.GPT2Backbone, gpt2_options, "n_positions", lambda _: {"resid_pdrop": 0.1}
    ),
}


def family_of(config: Config) -> Family:
    """The family that *config* names; ``OwnerError`` where it is none of those known here."""
    name = config.get("model_type")
    if name not in FAMILIES:
        raise OwnerError(
            f"The base model's model_type is {name!r}; accepted: {', '.join(FAMILIES)}."
        )
    return FAMILIES[name]


def _rope_options(config: Config) -> dict[str, Any]:
    """How positions turn queries and keys; transformers 5 says it under another name than 4."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    theta = rope.get("rope_theta") or config.get("rope_theta") or 10_000.0
    options = {"rope_max_wavelength": theta}
    kind = rope.get("rope_type") or rope.get("type")  # as transformers 4 had it before
    _refuse_others(rope, "partial_rotary_factor", 1.0)
    if kind != "llama3":
        _refuse_others({"rope_type": kind}, "rope_type", "default")
        return options
    return {
        **options,
        "rope_frequency_adjustment_factor": rope["factor"],
        "rope_low_freq_factor": rope["low_freq_factor"],
        "rope_high_freq_factor": rope["high_freq_factor"],
        "rope_pretraining_sequence_length": rope["original_max_position_embeddings"],
    }


def _refuse_others(config: Config, name: str, accepted: Any) -> None:
    found = config.get(name)
    if found is not None and found != accepted:
        raise OwnerError(f"The base model's {name} is {found!r}; accepted: {accepted!r}.")
