"""Models that TensorFlow alone has made answer here as they do there, or are refused."""

from pathlib import Path
from typing import Any

import foreign
import pytest
from imports import ALL, LABELS, SIZE, import_model, refused

from service.framework import keras, tf
from service.runtime import quiet

pytest_plugins = ["import_fixtures"]
pytestmark = pytest.mark.usefixtures("verified_here")


def test_each_weight_is_saved_once(tmp_path: Path, models: Path) -> None:
    model = foreign.trees()
    path = foreign.write_keras(model, tmp_path / "trees.keras")

    assert import_model(path, models, **ALL) == 0

    saved = tf.train.load_checkpoint(str(models / "1" / "variables" / "variables"))
    names = saved.get_variable_to_shape_map().keys() - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
    assert len(names) == len(model.weights)


def test_the_weights_of_another_network_are_told_apart(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "trees.weights.h5"
    with quiet():
        foreign.trees().save_weights(path)

    assert refused(path, models, capsys, **ALL).startswith(
        f'"{path}" has the weights of another network than build() in src/model/network.py makes'
    )


def flat(image: Any, outputs: int = len(LABELS)) -> Any:
    return keras.layers.Dense(outputs)(keras.layers.Flatten()(image))


@pytest.mark.parametrize("name", ["lambda.keras", "lambda.h5"])
def test_a_lambda_layer_is_not_loaded(
    name: str, tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = keras.Input((*SIZE, 3))
    code = keras.layers.Lambda(lambda pixels: pixels * 2, name="twice")
    path = foreign.write_keras(keras.Model(image, flat(code(image))), tmp_path / name)

    assert refused(path, models, capsys, **ALL) == (
        f'"{path}" has a Lambda layer, "twice": Python code, which is not loaded. Put what it does '
        "into a layer of its own, a class in src/model/network.py with "
        "@keras.saving.register_keras_serializable(), and save the model again."
    )


class Doubled(keras.layers.Layer):  # type: ignore[misc] # Keras carries no types
    """A layer that nobody registered."""

    def call(self, pixels: Any) -> Any:
        return pixels * 2


@pytest.mark.parametrize("name", ["own.keras", "own.h5"])
def test_a_layer_that_nobody_registered_is_named(
    name: str, tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = keras.Input((*SIZE, 3))
    path = foreign.write_keras(keras.Model(image, flat(Doubled()(image))), tmp_path / name)

    assert refused(path, models, capsys, **ALL) == (
        f'"{path}" has a layer Doubled, which is not of Keras. Put its class into '
        "src/model/network.py, with @keras.saving.register_keras_serializable() above it."
    )


@pytest.mark.parametrize("name", ["pair.keras", "pair.h5", "pair"])
def test_a_model_of_two_inputs_is_refused(
    name: str, tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, age = keras.Input((*SIZE, 3), name="photo"), keras.Input((1,), name="age")
    both = keras.layers.Concatenate()([keras.layers.Flatten()(image), age])
    model = keras.Model([image, age], keras.layers.Dense(5)(both))
    write = foreign.write_keras if "." in name else foreign.write_exported
    path = write(model, tmp_path / name)

    error = refused(path, models, capsys, **ALL)

    assert error.startswith(f'"{path}" has 2 inputs')
    assert error.endswith("This service gives it one, the images.")


@pytest.mark.parametrize("name", ["boxes.keras", "boxes.h5"])
def test_boxes_are_refused(
    name: str, tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = keras.Input((*SIZE, 3))
    model = keras.Model(image, [flat(image), flat(image, 4)])
    path = foreign.write_keras(model, tmp_path / name)

    error = refused(path, models, capsys, **ALL)

    assert error.startswith(f'"{path}" has 2 outputs: dense')
    assert error.endswith(
        "This service takes a classifier, which gives one, a score for each label: no boxes, masks "
        "or features."
    )


def test_independent_scores_are_refused(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = foreign.write_keras(foreign.trees("sigmoid"), tmp_path / "many.keras")

    assert refused(path, models, capsys, **ALL) == (
        "A Keras model (.keras) judges each label by itself: its scores do not add up to 1. This "
        "service gives the one label that is right. If the scores are logits of a softmax, give "
        "SCORES=logits."
    )


def test_a_regression_is_refused(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = foreign.write_keras(foreign.trees(None, 1), tmp_path / "age.keras")

    assert refused(path, models, capsys, **ALL) == (
        "A Keras model (.keras) gives 1 scores for an image, and there are 5 labels: ash, birch, "
        "cedar, elm, fir."
    )


def test_a_saved_model_without_a_signature_is_refused(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bare"
    tf.saved_model.save(tf.Module(), str(path))

    assert refused(path, models, capsys, **ALL) == (
        f'"{path}" has no signature. Write it by model.export("folder"), or give '
        "tf.saved_model.save signatures."
    )


def test_an_onnx_model_is_refused(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "trees.onnx"
    path.write_bytes(b"\x08\x0a")

    assert refused(path, models, capsys, **ALL) == (
        f'FROM is "{path}", an ONNX model, which TensorFlow does not run. Save what it was made of '
        "as a SavedModel; or generate the repository with the template's other backend, which "
        "serves ONNX as it is."
    )


@pytest.mark.parametrize("name", ["model.pth", "notes.txt", "model.h5", "model.keras"])
def test_what_is_no_model_is_refused(
    name: str, tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(b"no model")

    assert refused(path, models, capsys, **ALL).startswith(
        f'FROM is "{path}", which is of no format that is read here. Accepted are a Keras model '
    )
