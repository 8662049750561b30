"""Models that know nothing of this service, as people train them with TensorFlow alone."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from imports import ALL, LABELS, SIZE, Case, pictures, with_the_other

from service.framework import keras, tf
from service.numerics import softmax
from service.runtime import quiet


def trees(
    ends: str | None = "softmax", outputs: int = len(LABELS), *, rescales: bool = False
) -> Any:
    """A trained Keras model, which reads pixels of 0 to 1, or of 0 to 255 where it *rescales*."""
    keras.utils.set_random_seed(7)
    image = keras.Input((*SIZE, 3))
    features = keras.layers.Rescaling(1 / 255)(image) if rescales else image
    return keras.Model(image, _scored(features, ends, outputs))


def _scored(features: Any, ends: str | None, outputs: int = len(LABELS)) -> Any:
    features = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(features)
    features = keras.layers.GlobalAveragePooling2D()(features)
    wide = keras.initializers.RandomNormal(stddev=6, seed=5)
    return keras.layers.Dense(outputs, activation=ends, kernel_initializer=wide)(features)


def nested(*, rescales: bool = False) -> Any:
    """A model in a ``Sequential``, with what augments images in training, as tutorials have it."""
    layers = [keras.layers.RandomFlip(), trees(None, rescales=rescales), keras.layers.Softmax()]
    return keras.Sequential([keras.Input((*SIZE, 3)), *layers])


def scores(model: Any, *, mean: float = 0, scale: float = 255) -> npt.NDArray[Any]:
    """What *model* says of the pictures, as its owner would run it: probabilities."""
    pixels = np.stack(pictures()).astype(np.float32)
    given = (pixels - np.float32(mean)) / np.float32(scale)
    found: npt.NDArray[Any] = model(given, training=False).numpy()
    are_shares = bool((found >= 0).all() and (found <= 1).all())
    return found if are_shares else softmax(found)


def write_keras(model: Any, path: Path) -> Path:
    with quiet():
        model.save(path)
    return path


def write_exported(model: Any, path: Path) -> Path:
    with quiet():
        model.export(path, verbose=False)
    return path


def write_saved(model: Any, path: Path) -> Path:
    with quiet():
        tf.saved_model.save(model, str(path))
    return path


def write_bytes(model: Any, path: Path) -> Path:
    """A SavedModel of one image of bytes, whose tensors have names of its owner's."""

    def answer(picture: Any) -> dict[str, Any]:
        return {"trees": model(tf.cast(picture, tf.float32) / 255, training=False)}

    specification = tf.TensorSpec((1, *SIZE, 3), tf.uint8, name="picture")
    module = tf.Module()
    module.model = model
    function = tf.function(answer).get_concrete_function(specification)
    with quiet():
        tf.saved_model.save(module, str(path), signatures={"trees": function})
    return path


FORMATS: dict[str, Callable[[Any, Path], Path]] = {
    "trees.keras": write_keras,
    "trees.h5": write_keras,
    "exported": write_exported,
    "saved": write_saved,
    "bytes": write_bytes,
}


EVERY_FORMAT = "h5,keras,saved_model"
"""What it can be exported to."""


def write(folder: Path) -> Case:
    """Any model, whose file says the size."""
    model = trees()
    path = write_keras(model, folder / "trees.keras")
    return Case(path, {"preprocess": "zero-one", "labels": ALL["labels"]}, scores(model))


def _format(name: str, ends: str | None, folder: Path) -> Case:
    model = trees(ends)
    said = ALL | ({"preprocess": ""} if name == "bytes" else {})
    return Case(FORMATS[name](model, folder / name), said, scores(model))


def _one_score(name: str, folder: Path) -> Case:
    """One output for two labels: the second's."""
    model = trees("sigmoid", 1)
    path = FORMATS[name](model, folder / name)
    labels = ["no", "yes"]
    return Case(path, ALL | {"labels": "no,yes"}, with_the_other(scores(model)), labels)


def _rescales(name: str, make: Callable[..., Any], folder: Path) -> Case:
    """What a pixel becomes is in the model."""
    model = make(rescales=True)
    path = FORMATS[name](model, folder / name)
    return Case(path, {"labels": ALL["labels"]}, scores(model, scale=1))


def _any_size(folder: Path) -> Case:
    image = keras.Input((None, None, 3))
    model = keras.Model(image, _scored(image, "softmax"))
    return Case(write_keras(model, folder / "any.keras"), ALL, scores(model))


def _channels_first(folder: Path) -> Case:
    """A SavedModel that reads ``(N, C, H, W)``."""
    model = trees()

    def answer(picture: Any) -> dict[str, Any]:
        return {"trees": model(tf.transpose(picture, (0, 2, 3, 1)), training=False)}

    module = tf.Module()
    module.model = model
    specification = tf.TensorSpec((None, 3, *SIZE), tf.float32, name="picture")
    function = tf.function(answer).get_concrete_function(specification)
    with quiet():
        tf.saved_model.save(module, str(folder / "first"), signatures={"trees": function})
    return Case(folder / "first", ALL, scores(model))


def _minus_one_one(name: str, folder: Path) -> Case:
    model = trees(None)
    path = FORMATS[name](model, folder / name)
    said = ALL | {"preprocess": "minus-one-one"}
    return Case(path, said, scores(model, mean=127.5, scale=127.5))


def _weights(folder: Path) -> Case:
    model = trees()
    with quiet():
        model.save_weights(folder / "trees.weights.h5")
    build = lambda _parameters, _count: trees()  # noqa: E731 - as an owner's src/model/network.py
    return Case(folder / "trees.weights.h5", ALL, scores(model), build=build)


def _application(folder: Path) -> Case:
    """A network of ``keras.applications``, which rescales, with weights that were not trained."""
    keras.utils.set_random_seed(7)
    model = keras.applications.MobileNetV3Small(
        input_shape=(32, 32, 3),
        alpha=0.35,
        minimalistic=True,
        weights=None,
        classes=len(LABELS),
        classifier_activation=None,
    )
    images = [np.kron(each, np.ones((2, 2, 1), np.uint8))[:32, :32] for each in pictures()]
    expected = softmax(model(np.stack(images).astype(np.float32), training=False).numpy())
    path = write_keras(model, folder / "mobilenet.h5")
    return Case(path, {"labels": ALL["labels"]}, expected, images=images)


CASES: dict[str, Callable[[Path], Case]] = {
    **{
        f"{ends or 'logits'}-{name}": partial(_format, name, ends)
        for name in FORMATS
        for ends in ("softmax", None)
    },
    **{
        f"one-score-{name}": partial(_one_score, name)
        for name in ("trees.keras", "trees.h5", "exported", "saved")
    },
    **{
        f"{make.__name__}-rescales-{name}": partial(_rescales, name, make)
        for name in ("trees.keras", "trees.h5")
        for make in (trees, nested)
    },
    **{
        f"minus-one-one-{name}": partial(_minus_one_one, name)
        for name in ("trees.keras", "trees.h5", "exported")
    },
    "any-size.keras": _any_size,
    "channels-first": _channels_first,
    "weights": _weights,
    "mobilenet.h5": _application,
}
"""Name to what writes the model into a folder."""
PLAIN = "softmax-trees.keras"
"""One whose file is read without the framework, until it is to run."""
