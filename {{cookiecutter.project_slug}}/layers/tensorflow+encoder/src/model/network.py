"""Your network: a BERT-class encoder with a head, and how it learns.

Without a base model its architecture is :data:`STARTER`; else the checkpoint's, BERT or DistilBERT.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from model.preprocess import Parameters
from service import encoders, weights
from service.framework import keras, tf
from service.manifest import Arrays
from service.training import UNKNOWN, Recipe

Network: TypeAlias = Any
"""A ``keras.Model``; Keras carries no types."""

STARTER: dict[str, Any] = {
    "model_type": "bert",
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "max_position_embeddings": 512,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}


DROPOUT = 0.1
"""Of the head."""


@keras.saving.register_keras_serializable(package="service")
class ZeroSegments(keras.layers.Layer):  # type: ignore[misc]
    """Segment 0 for every token. A layer, because the .h5 format holds nothing else."""

    def call(self, token_ids: Any) -> Any:
        """Zeros in the shape of *token_ids*."""
        return keras.ops.zeros_like(token_ids)


# only: text-classification
@keras.saving.register_keras_serializable(package="service")
class FirstToken(keras.layers.Layer):  # type: ignore[misc]
    """What the encoder says of the first token. A layer, because .h5 holds nothing else."""

    def call(self, hidden: Any) -> Any:
        """``(N, L, width)`` to ``(N, width)``."""
        return hidden[:, 0]


def add_head(encoder: encoders.Backbone, inputs: dict[str, Any], label_count: int) -> Any:
    """``(N, labels) float32`` logits for *inputs* of *encoder*."""
    if isinstance(encoder, encoders.BertEncoder):
        pooled = encoder(inputs)["pooled_output"]
    else:
        first = FirstToken(name="first_token")(encoder(inputs))
        pooled = keras.layers.Dense(encoder.hidden_dim, "relu", name="pre_classifier")(first)
    dropped = keras.layers.Dropout(DROPOUT)(pooled)
    return keras.layers.Dense(label_count, dtype="float32", name="logits")(dropped)


# end
# only: token-classification
def add_head(encoder: encoders.Backbone, inputs: dict[str, Any], label_count: int) -> Any:
    """``(N, L, labels) float32`` logits for *inputs* of *encoder*."""
    outputs = encoder(inputs)
    hidden = outputs
    if isinstance(encoder, encoders.BertEncoder):
        hidden = outputs["sequence_output"]
        encoder.pooled_dense.trainable = False  # nothing asks for what it makes
    dropped = keras.layers.Dropout(DROPOUT)(hidden)
    return keras.layers.Dense(label_count, dtype="float32", name="logits")(dropped)


# end
def configure(base: Path | None, vocabulary_size: int) -> dict[str, Any]:
    """What a network is built from: a checkpoint's configuration, or the starter's.

    Args:
        base: folder of the checkpoint.
        vocabulary_size: of the starter's tokenizer.
    """
    if base is None:
        return {**STARTER, "vocab_size": vocabulary_size}
    config = json.loads((base / "config.json").read_bytes())
    return {key: value for key, value in config.items() if key not in {"label2id", "id2label"}}


def build(parameters: Parameters, label_count: int) -> Network:
    """A network that has learnt nothing yet.

    Returns:
        A model from ``{"input_ids": (N, L) int64, "attention_mask": (N, L) int64}`` to
        ``{"logits": float32}``, as the task has them.

    Raises:
        OwnerError: the base model is of a family that is not known here.
    """
    encoder = encoders.build(parameters.network)
    input_ids = keras.Input((None,), dtype="int64", name="input_ids")
    attention_mask = keras.Input((None,), dtype="int64", name="attention_mask")
    inputs = {"token_ids": input_ids, "padding_mask": attention_mask}
    if isinstance(encoder, encoders.BertEncoder):
        inputs["segment_ids"] = ZeroSegments(name="segments")(input_ids)
    logits = add_head(encoder, inputs, label_count)
    return keras.Model(
        {"input_ids": input_ids, "attention_mask": attention_mask}, {"logits": logits}
    )


def from_checkpoint(folder: Path, parameters: Parameters, label_count: int) -> Network:
    """A network with a checkpoint's weights.

    The head's weights are taken where they are there and fit; else the head has learnt nothing yet.

    Raises:
        OwnerError: the checkpoint does not have what its configuration says.
    """
    network = build(parameters, label_count)
    weights.assign(network.weights, parameters.network["model_type"], folder)
    return network


def train(
    network: Network,
    batches: Iterable[tuple[Arrays, npt.NDArray[np.int64]]],
    steps: int,
    recipe: Recipe,
) -> Iterator[float]:
    """Train *network* on one batch after the other.

    Args:
        network: changed in place.
        batches: ``{"input_ids": (N, L) int64, "attention_mask": (N, L) int64}`` and indices of
            labels, ``(N,)`` or ``(N, L)``.
        steps: how many batches there are.
        recipe: how fast it learns.

    Yields:
        The loss of each batch.
    """
    optimiser = keras.optimizers.AdamW(weight_decay=recipe.weight_decay, global_clipnorm=1.0)
    optimiser.build(network.trainable_variables)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=UNKNOWN
    )

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def learn(inputs: dict[str, Any], targets: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = cross_entropy(targets, network(inputs, training=True)["logits"])
        gradients = tape.gradient(loss, network.trainable_variables)
        optimiser.apply(gradients, network.trainable_variables)
        return loss

    for step, (inputs, targets) in enumerate(batches):
        optimiser.learning_rate = recipe.learning_rate(step, steps)
        tensors = {name: tf.constant(array) for name, array in inputs.items()}
        yield float(learn(tensors, tf.constant(targets)))
