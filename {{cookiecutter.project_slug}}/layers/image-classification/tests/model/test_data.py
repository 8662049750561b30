"""Labelled images become examples, or a sentence says why not."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model import data
from model.preprocess import read_image, to_array
from service.errors import OwnerError
from service.lifecycle import evaluation
from service.lifecycle.source import Source
from service.lifecycle.train import batch_count, batches
from service.training import Dataset, Examples

EXAMPLES = Path(__file__).parents[2] / "examples"


def make_folder(root: Path, images: int = 8) -> Path:
    """Two labels, ``dark`` and ``light``, with *images* each."""
    for label, grey in (("dark", 20), ("light", 220)):
        (root / label).mkdir(parents=True)
        for index in range(images):
            Image.new("RGB", (20, 10), (grey + index, grey, grey)).save(
                root / label / f"{index}.png"
            )
    return root


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return data.load(Source())


def test_the_starter_has_all_digits_in_both_halves(digits: Dataset) -> None:
    assert digits.labels == list("0123456789")
    assert len(digits.train) + len(digits.held_out) == 1797
    assert len(digits.held_out) == 450
    assert np.bincount(digits.held_out.targets).min() > 40
    assert digits.train.inputs["image"].shape == (1347, 8, 8, 1)
    assert digits.train.inputs["image"].dtype == np.float32


def test_the_halves_share_no_digit_image(digits: Dataset) -> None:
    train = {array.tobytes() for array in digits.train.inputs["image"]}
    assert not any(array.tobytes() in train for array in digits.held_out.inputs["image"])


def test_the_split_is_the_same_every_time(digits: Dataset) -> None:
    assert data.load(Source()).sha256() == digits.sha256()


def test_the_examples_are_held_out_digits_that_come_back_exactly(digits: Dataset) -> None:
    paths = sorted(EXAMPLES.glob("*.png"))
    assert len(paths) >= 3
    held_out = digits.held_out
    for path in paths:
        image = read_image(path.read_bytes(), data.DIGIT_PARAMETERS, max_pixels=10_000)
        array = to_array(image, data.DIGIT_PARAMETERS)
        same = (held_out.inputs["image"] == array).all(axis=(1, 2, 3))
        assert held_out.targets[same].tolist() == [int(path.stem)]


def test_folders_of_images_become_labels_and_examples(tmp_path: Path) -> None:
    found = data.load(Source(data=make_folder(tmp_path / "shades")))
    size = (data.PARAMETERS.height, data.PARAMETERS.width, data.PARAMETERS.channels)
    assert found.labels == ["dark", "light"]
    assert found.train.inputs["image"].shape == (12, *size)
    assert np.bincount(found.held_out.targets).tolist() == [2, 2]
    brightness = found.held_out.inputs["image"].mean(axis=(1, 2, 3))
    assert ((brightness > 0) == found.held_out.targets.astype(bool)).all()
    assert '"shades": dark 8, light 8' in found.description


def test_hidden_files_are_no_images(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    (folder / ".cache").mkdir()
    (folder / "dark" / ".DS_Store").write_bytes(b"")
    assert data.load(Source(data=folder)).labels == ["dark", "light"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OwnerError, match=r"none.* is not a folder"):
        data.load(Source(data=tmp_path / "none"))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OwnerError, match="has 0 folders"):
        data.load(Source(data=tmp_path))


@pytest.mark.parametrize("names", [("train", "val"), ("Test", "train", "validation")])
def test_the_parts_of_a_data_set_are_no_labels(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        make_folder(tmp_path / "all").rename(tmp_path / name)
        for path in [*(tmp_path / name).rglob("*.png")]:
            path.rename(tmp_path / name / f"{path.parent.name}-{path.name}")
        for label in ("dark", "light"):
            (tmp_path / name / label).rmdir()

    with pytest.raises(OwnerError, match=f"folders are {', '.join(names)}: .* not labels"):
        data.load(Source(data=tmp_path))


def test_vehicles_may_be_trains(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    (folder / "dark").rename(folder / "train")

    assert data.load(Source(data=folder)).labels == ["light", "train"]


def test_one_label_is_refused(tmp_path: Path) -> None:
    (tmp_path / "only").mkdir()
    with pytest.raises(OwnerError, match="has 1 folders"):
        data.load(Source(data=tmp_path))


def test_a_label_with_too_few_images_is_named(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    (folder / "light" / "0.png").unlink()
    with pytest.raises(OwnerError, match='light" has 7 images; at least 8'):
        data.load(Source(data=folder))


@pytest.mark.parametrize("content", [b"", b"hello"])
def test_an_image_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    folder = make_folder(tmp_path)
    (folder / "dark" / "3.png").write_bytes(content)
    with pytest.raises(OwnerError, match=r"dark/3\.png"):
        data.load(Source(data=folder))


def test_a_folder_among_the_images_is_named(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    (folder / "dark" / "more").mkdir()
    with pytest.raises(OwnerError, match=r"dark/more.* is not a file"):
        data.load(Source(data=folder))


def test_batches_hold_every_example_once_an_epoch(digits: Dataset) -> None:
    recipe = replace(data.FROM_SCRATCH, epochs=2)
    given = list(batches(digits.train, recipe, seed=1))
    assert len(given) == batch_count(digits.train, recipe) == 86
    targets = np.concatenate([targets for _, targets in given])
    assert (np.bincount(targets) == 2 * np.bincount(digits.train.targets)).all()
    assert all(inputs["image"].shape[1:] == (8, 8, 1) for inputs, _ in given)


def test_accuracy_and_f1_are_as_worked_out_by_hand() -> None:
    logits = np.array([[1, 0], [1, 0], [0, 1], [1, 0]], np.float32)
    examples = Examples({}, np.array([0, 0, 1, 1]))
    report = evaluation.report(["cat", "dog"], examples, {"logits": logits})
    assert report.confusion.tolist() == [[2, 0], [1, 1]]
    assert report.metrics["accuracy"] == pytest.approx(3 / 4)
    assert report.metrics["macro_f1"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert "| cat | 2 | 0.667 | 1.000 | 0.800 |" in report.details


def test_the_confusion_matrix_is_a_picture(tmp_path: Path) -> None:
    labels = ["a label of several words", "another"]
    report = evaluation.Report(labels, np.array([[3, 0], [0, 0]]), {}, {})
    report.draw(tmp_path)
    with Image.open(io.BytesIO((tmp_path / evaluation.PICTURE).read_bytes())) as picture:
        assert picture.width > 400
