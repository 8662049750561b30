"""Your network: its architecture is in :func:`build`, how it learns is :func:`train`."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from model.preprocess import Parameters
from service.framework import keras, tf
from service.manifest import Arrays
from service.training import Recipe

Network: TypeAlias = Any
"""A ``keras.Model``; Keras carries no types."""


def convolutions(parameters: Parameters) -> list[tuple[int, int]]:
    """Filters and stride of each: every one after the first halves the image, to 2 or 3 pixels."""
    halvings = max(1, min(parameters.height, parameters.width).bit_length() - 2)
    return [(32, 1), (64, 2), *[(128, 2)] * (halvings - 1)]


def build(parameters: Parameters, label_count: int) -> Network:
    """A network that has learnt nothing yet.

    Convolutions, the mean over all places, one dense layer.

    Returns:
        A model from ``{"image": (N, H, W, C) float32}`` to ``{"logits": (N, labels) float32}``.
    """
    shape = (parameters.height, parameters.width, parameters.channels)
    image = keras.Input(shape, name="image")
    features = image
    for filters, stride in convolutions(parameters):
        features = keras.layers.Conv2D(
            filters, 3, strides=stride, padding="same", activation="relu"
        )(features)
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    logits = keras.layers.Dense(label_count, name="logits")(pooled)
    return keras.Model({"image": image}, {"logits": logits})


def train(
    network: Network,
    batches: Iterable[tuple[Arrays, npt.NDArray[np.int64]]],
    steps: int,
    recipe: Recipe,
) -> Iterator[float]:
    """Train *network* on one batch after the other.

    Args:
        network: changed in place.
        batches: ``{"image": (N, H, W, C) float32}`` and ``(N,)`` indices of labels.
        steps: how many batches there are.
        recipe: how fast it learns.

    Yields:
        The loss of each batch.
    """
    optimiser = keras.optimizers.AdamW(weight_decay=recipe.weight_decay)
    optimiser.build(network.trainable_variables)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def learn(inputs: dict[str, Any], targets: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = cross_entropy(targets, network(inputs, training=True)["logits"])
        gradients = tape.gradient(loss, network.trainable_variables)
        optimiser.apply(gradients, network.trainable_variables)
        return loss

    for step, (inputs, targets) in enumerate(batches):
        optimiser.learning_rate = recipe.learning_rate(step, steps)
        loss = learn({"image": tf.constant(inputs["image"])}, tf.constant(targets))
        yield float(loss)
