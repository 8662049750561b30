"""A training that begins with weights from elsewhere, but for a head of other labels."""

from pathlib import Path
from typing import Any

import foreign
import numpy as np
import pytest
from imports import SIZE, photos

from service.errors import OwnerError
from service.framework import keras
from service.lifecycle.__main__ import main
from service.lifecycle.source import Source
from service.owner import Parameters, data, network
from service.runtime import quiet

pytest_plugins = ["import_fixtures"]
pytestmark = pytest.mark.usefixtures("verified_here")
PARAMETERS = Parameters(height=SIZE[0], width=SIZE[1], channels=3)


def of_trees(parameters: Parameters, label_count: int) -> Any:
    """An owner's network: around what was trained elsewhere."""
    image = keras.Input((parameters.height, parameters.width, 3), name="image")
    logits = foreign.trees(None, label_count)(image)
    return keras.Model({"image": image}, {"logits": keras.layers.Identity(name="logits")(logits)})


@pytest.fixture(autouse=True)
def _network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "build", of_trees)


def changed(model: Any) -> Any:
    """*model* with weights that no seed gives."""
    for number, each in enumerate(model.weights):
        each.assign(np.full(each.shape, 0.25 + number))
    return model


@pytest.mark.parametrize("name", ["trees.keras", "trees.h5"])
def test_all_weights_but_the_head_are_taken(name: str, tmp_path: Path) -> None:
    trained = changed(foreign.trees())
    path = foreign.write_keras(trained, tmp_path / name)

    begun = Source(base_model=path).network(PARAMETERS, 3).get_weights()

    assert (begun[0] == 0.25).all()
    assert (begun[1] == 1.25).all()
    assert begun[2].shape == (8, 3)
    assert len(np.unique(begun[2])) > 1


def test_a_head_of_as_many_labels_is_taken_too(tmp_path: Path) -> None:
    path = foreign.write_keras(changed(foreign.trees()), tmp_path / "trees.keras")

    begun = Source(base_model=path).network(PARAMETERS, 5).get_weights()

    assert [float(each.flat[0]) for each in begun] == [0.25, 1.25, 2.25, 3.25]


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    image = keras.Input((*SIZE, 3))
    other = keras.Model(image, keras.layers.Conv2D(4, 3)(image))
    path = foreign.write_keras(other, tmp_path / "other.keras")

    with pytest.raises(OwnerError, match="weights of another network than build") as refused:
        Source(base_model=path).network(PARAMETERS, 3)

    assert "is (3, 3, 3, 8), and there (3, 3, 3, 4)." in str(refused.value)


def written(model: Any, path: Path) -> Path:
    """*path*, with the weights of *model* alone."""
    with quiet():
        model.save_weights(path)
    return path


@pytest.mark.parametrize("label_count", [3, 5])
def test_weights_alone_are_taken_but_for_another_head(label_count: int, tmp_path: Path) -> None:
    trained = changed(of_trees(PARAMETERS, 5))
    path = written(trained, tmp_path / "trees.weights.h5")

    begun = Source(base_model=path).network(PARAMETERS, label_count).get_weights()

    assert (begun[0] == 0.25).all()
    assert (begun[1] == 1.25).all()
    assert [(each == each.flat[0]).all() for each in begun[2:]] == [label_count == 5, True]
    assert begun[3][0] == (3.25 if label_count == 5 else 0)


def test_weights_alone_of_another_network_are_refused_by_their_names(tmp_path: Path) -> None:
    image = keras.Input((*SIZE, 3))
    other = keras.Model(image, keras.layers.Conv2D(4, 3)(image))
    path = written(other, tmp_path / "other.weights.h5")

    with pytest.raises(OwnerError, match=r"another network than build.*kernel, .* \(4 in all\)"):
        Source(base_model=path).network(PARAMETERS, 3)


def test_weights_alone_of_a_deeper_network_are_refused(tmp_path: Path) -> None:
    trained = of_trees(PARAMETERS, 5)
    deeper = keras.Model(trained.input, keras.layers.Dense(5)(trained.output["logits"]))
    path = written(deeper, tmp_path / "deeper.weights.h5")

    with pytest.raises(OwnerError, match=r"6 arrays of weights; build\(\) .* makes 4"):
        Source(base_model=path).network(PARAMETERS, 5)


def test_a_keras_model_is_trained_on_a_folder_and_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = foreign.write_keras(foreign.trees(rescales=True), tmp_path / "trees.keras")
    folder = photos(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    words = ["--data", str(folder), "--base-model", str(path), "--threshold", "0"]

    assert main(["model", *words, "--model-dir", "models/default"]) == 0

    found = data.load(Source(data=folder, base_model=path)).parameters
    assert (found.height, found.width) == SIZE
    assert found.scale == pytest.approx(1 / 255)
