"""BERT-class encoders, out of KerasHub, configured as Hugging Face's ``config.json`` says.

Knows nothing of heads, training or files.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from service.errors import OwnerError
from service.framework import keras  # isort: split

import keras_hub

Backbone: TypeAlias = Any
"""A ``keras_hub.models.Backbone``; Keras carries no types."""

_tanh_gelu = partial(keras.activations.gelu, approximate=True)
ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "gelu": keras.activations.gelu,
    "gelu_new": _tanh_gelu,
    "gelu_pytorch_tanh": _tanh_gelu,
    "relu": keras.activations.relu,
    "silu": keras.activations.silu,
}


@keras.saving.register_keras_serializable(package="service")
class BertEncoder(keras_hub.models.BertBackbone):  # type: ignore[misc]
    """KerasHub's BERT, with the activation of the configuration.

    KerasHub's own is always the approximation of GELU by a hyperbolic tangent, which is another
    network than the one that most checkpoints are: logits differ by up to a tenth.
    """

    def __init__(self, *, activation: str = "gelu", **options: Any) -> None:
        super().__init__(**options)
        self.activation = activation
        for layer in self.transformer_layers:
            layer._feedforward_intermediate_dense.activation = ACTIVATIONS[activation]  # noqa: SLF001 - there is no public way

    def get_config(self) -> dict[str, Any]:
        """What the encoder is made from when it is loaded."""
        return {**super().get_config(), "activation": self.activation}


def bert(config: dict[str, Any]) -> Backbone:
    """BERT."""
    _refuse_others(config, "layer_norm_eps", [1e-12])
    return BertEncoder(
        vocabulary_size=config["vocab_size"],
        num_layers=config["num_hidden_layers"],
        num_heads=config["num_attention_heads"],
        hidden_dim=config["hidden_size"],
        intermediate_dim=config["intermediate_size"],
        max_sequence_length=config["max_position_embeddings"],
        num_segments=config.get("type_vocab_size", 2),
        dropout=config.get("hidden_dropout_prob", 0.1),
        activation=_refuse_others(config, "hidden_act", list(ACTIVATIONS)),
    )


def distilbert(config: dict[str, Any]) -> Backbone:
    """DistilBERT."""
    _refuse_others(config, "activation", ["gelu"])
    return keras_hub.models.DistilBertBackbone(
        vocabulary_size=config["vocab_size"],
        num_layers=config["n_layers"],
        num_heads=config["n_heads"],
        hidden_dim=config["dim"],
        intermediate_dim=config["hidden_dim"],
        max_sequence_length=config["max_position_embeddings"],
        dropout=config.get("dropout", 0.1),
    )


FAMILIES: dict[str, Callable[[dict[str, Any]], Backbone]] = {
    "bert": bert,
    "distilbert": distilbert,
}
"""``model_type`` of a configuration to what makes such an encoder."""


def build(config: dict[str, Any]) -> Backbone:
    """The encoder of *config*, untrained; ``OwnerError`` where it is none that is known here."""
    return FAMILIES[_refuse_others(config, "model_type", list(FAMILIES))](config)


def _refuse_others(config: dict[str, Any], name: str, accepted: list[Any]) -> Any:
    """What *config* has under *name*, the first of *accepted* where it says nothing.

    KerasHub passes over what it cannot do; the answers would be wrong without a word.

    Raises:
        OwnerError: it is none of *accepted*.
    """
    found = config.get(name, accepted[0])
    if found not in accepted:
        listed = ", ".join(map(str, accepted))
        raise OwnerError(f"The base model's {name} is {found!r}; accepted: {listed}.")
    return found
