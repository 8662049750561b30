"""Image classification: an image file -> the model's input, its output -> an answer."""

import io
from pathlib import Path

import numpy as np
import pytest
import samples
from fake_version import write_fake_version
from PIL import Image

from model import data
from model.preprocess import Parameters, Prepared, Task, read_image, to_array
from service import manifest as manifests
from service.errors import BadValue, ModelFailed
from service.numerics import softmax
from service.settings import Settings

IMAGE = Prepared({})
"""What an answer does not depend on."""


@pytest.fixture
def task(tmp_path: Path) -> Task:
    folder = write_fake_version(tmp_path / "default")
    return Task(folder, manifests.read(folder), Settings(max_pixels=100))


def test_a_white_image_becomes_ones_of_the_models_size(task: Task) -> None:
    arrays = task.preprocess(samples.picture(255, (3, 3))).arrays

    size = data.PARAMETERS
    assert arrays["image"].shape == (size.height, size.width, size.channels)
    assert arrays["image"].dtype == np.float32
    assert (arrays["image"] == 1).all()


def test_each_pixel_is_the_mean_of_those_it_covers() -> None:
    image = Image.fromarray(np.array([[0, 100], [0, 100], [200, 0], [0, 0]], np.uint8))

    array = to_array(image, Parameters(height=2, width=1, channels=1))

    assert array[:, 0, 0] == pytest.approx([50 / 255, 50 / 255])


def test_mean_and_scale_are_applied() -> None:
    array = to_array(
        Image.new("RGB", (1, 1), (255, 0, 0)),
        Parameters(height=1, width=1, channels=3, mean=0.5, scale=0.5),
    )

    assert array.tolist() == [[[1.0, -1.0, -1.0]]]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_every_accepted_format_is_read(task: Task, kind: str) -> None:
    arrays = task.preprocess(samples.picture(255, kind=kind)).arrays

    assert arrays["image"].mean() > 0.98


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_kind_of_pixel_is_read(mode: str, channels: int) -> None:
    image = Image.new(mode, (5, 7))

    array = to_array(
        image, Parameters.model_validate({"height": 2, "width": 2, "channels": channels})
    )

    assert array.shape == (2, 2, channels)
    assert np.isfinite(array).all()


def test_transparent_parts_count_as_black() -> None:
    image = Image.new("RGBA", (2, 2), (255, 255, 255, 0))

    assert to_array(image, Parameters(height=1, width=1, channels=1)).item() == 0


def test_an_image_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees
    file = io.BytesIO()
    Image.new("L", (4, 2)).save(file, "JPEG", exif=exif)

    assert read_image(file.getvalue(), max_pixels=100).size == (2, 4)


def test_base64_and_data_urls_are_read_like_bytes(task: Task) -> None:
    text = samples.encoded(samples.RAW)

    by_bytes = task.preprocess(samples.RAW).arrays["image"]
    assert (task.preprocess(text).arrays["image"] == by_bytes).all()
    assert (task.preprocess(f"data:image/png;base64,{text}").arrays["image"] == by_bytes).all()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "empty"),
        ("", "empty"),
        ("data:", "empty"),
        ("ä", "not base64"),
        (b"\x89PNG\r\n\x1a\n", "not an image"),
        (samples.RAW[:50], "not an image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
        (samples.picture(0, (11, 10)), "110 pixels; at most 100"),
    ],
)
def test_what_is_no_image_is_refused_with_a_reason(
    task: Task, value: bytes | str, reason: str
) -> None:
    with pytest.raises(BadValue, match=reason):
        task.preprocess(value)


def test_a_bomb_is_refused_before_it_is_decoded(task: Task) -> None:
    file = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(file, "PNG")

    with pytest.raises(BadValue, match="too many pixels"):
        task.preprocess(file.getvalue())


def test_arrays_that_a_caller_made_hold_finite_numbers(task: Task) -> None:
    arrays = task.preprocess(samples.RAW).arrays
    task.check(arrays)

    for number in (np.nan, np.inf, -np.inf):
        arrays["image"][3, 5, 0] = number
        with pytest.raises(BadValue, match="NaN or infinite"):
            task.check(arrays)


def test_softmax_is_as_worked_out_by_hand() -> None:
    probabilities = softmax(np.array([0.0, np.log(3.0)]))

    assert probabilities == pytest.approx([0.25, 0.75])
    assert softmax(np.array([1000.0, 0.0])) == pytest.approx([1, 0])


def test_the_most_likely_label_comes_first(task: Task) -> None:
    prediction = task.postprocess(IMAGE, {"logits": np.array([0.0, np.log(3.0)], np.float32)})

    assert prediction.prediction == "bright"
    assert prediction.score == pytest.approx(0.75)
    assert [each.label for each in prediction.scores] == ["bright", "dark"]


def test_an_answer_has_no_more_labels_than_asked_for(tmp_path: Path) -> None:
    folder = write_fake_version(tmp_path / "default")
    task = Task(folder, manifests.read(folder), Settings(top_k=1))

    assert len(task.postprocess(IMAGE, {"logits": np.zeros(2, np.float32)}).scores) == 1


@pytest.mark.parametrize("logits", [[0.0], [0.0, 1.0, 2.0], [np.nan, 0.0], [np.inf, 0.0]])
def test_outputs_that_fit_no_label_are_a_failure_of_the_model(
    task: Task, logits: list[float]
) -> None:
    with pytest.raises(ModelFailed):
        task.postprocess(IMAGE, {"logits": np.array(logits, np.float32)})
