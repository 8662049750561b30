"""The head on the encoder: one score for each label, for the text as a whole."""

from typing import Any

from service.encoders import Backbone, BertEncoder
from service.framework import keras

DROPOUT = 0.1


@keras.saving.register_keras_serializable(package="service")
class FirstToken(keras.layers.Layer):  # type: ignore[misc]
    """What the encoder says of the first token. A layer, because .h5 holds nothing else."""

    def call(self, hidden: Any) -> Any:
        """``(N, L, width)`` to ``(N, width)``."""
        return hidden[:, 0]


def add_head(encoder: Backbone, inputs: dict[str, Any], label_count: int) -> Any:
    """``(N, labels) float32`` logits for *inputs* of *encoder*."""
    if isinstance(encoder, BertEncoder):
        pooled = encoder(inputs)["pooled_output"]
    else:
        first = FirstToken(name="first_token")(encoder(inputs))
        pooled = keras.layers.Dense(encoder.hidden_dim, "relu", name="pre_classifier")(first)
    dropped = keras.layers.Dropout(DROPOUT)(pooled)
    return keras.layers.Dense(label_count, dtype="float32", name="logits")(dropped)
