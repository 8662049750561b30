"""The head on the encoder: one score for each label, for every token."""

from typing import Any

from service.encoders import Backbone, BertEncoder
from service.framework import keras

DROPOUT = 0.1


def add_head(encoder: Backbone, inputs: dict[str, Any], label_count: int) -> Any:
    """``(N, L, labels) float32`` logits for *inputs* of *encoder*."""
    outputs = encoder(inputs)
    hidden = outputs
    if isinstance(encoder, BertEncoder):
        hidden = outputs["sequence_output"]
        encoder.pooled_dense.trainable = False  # nothing asks for what it makes
    dropped = keras.layers.Dropout(DROPOUT)(hidden)
    return keras.layers.Dense(label_count, dtype="float32", name="logits")(dropped)
