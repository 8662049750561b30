"""Image classification: an image file -> the model's input, its output -> an answer."""

import base64
import io
import zlib
from pathlib import Path
from typing import Any

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


def values(image: Image.Image, channels: int) -> list[float]:
    """What the one pixel becomes that *image* is scaled to."""
    size = Parameters.model_validate({"height": 1, "width": 1, "channels": channels})
    return to_array(image, size).ravel().tolist()


def png(image: Image.Image, **options: Any) -> bytes:
    """The file of *image*."""
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


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


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["L", "LA", "PA", "RGB", "RGBA", "RGBa", "CMYK", "YCbCr", "HSV"])
def test_a_shade_has_the_same_value_in_every_mode(mode: str, channels: int) -> None:
    alpha = {"RGBa": "RGBA", "PA": "LA"}.get(mode, "L")
    image = Image.new("L", (5, 7), 51).convert(alpha).convert(mode)

    assert values(image, channels) == pytest.approx([0.2] * channels)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["I", "I;16", "I;16L", "I;16B", "I;16N", "F", "1", "P", "LAB"])
def test_deep_and_palette_modes_have_the_values_of_8_bits(mode: str, channels: int) -> None:
    shades: dict[str, float | tuple[int, ...]]
    shades = {"F": 255.0, "1": 255, "P": 1, "LAB": (255, 128, 128)}
    image = Image.new(mode, (2, 2), (0, 128, 128) if mode == "LAB" else 0)
    if mode == "P":
        image.putpalette([0, 0, 0, 255, 255, 255])
    image.paste(shades.get(mode, 65535), (0, 0, 1, 2))

    assert values(image, channels) == pytest.approx([0.5] * channels, abs=1 / 255)


@pytest.mark.parametrize("mode", ["I", "I;16", "I;16B"])
def test_16_bits_are_scaled_and_not_clipped(mode: str) -> None:
    assert values(Image.new(mode, (2, 2), 51 * 257), 1) == pytest.approx([0.2])


def test_a_16_bit_file_is_the_same_image_as_one_of_8(task: Task) -> None:
    shades = np.arange(90, dtype=np.uint8).reshape(9, 10)
    files = [png(Image.fromarray(each)) for each in (shades, shades.astype(np.uint16) * 257)]

    by_8, by_16 = (task.preprocess(each).arrays["image"] for each in files)
    assert (by_8 == by_16).all()


@pytest.mark.parametrize(("background", "value"), [("black", 0), ("white", 1)])
@pytest.mark.parametrize(
    "file",
    [
        {"image": Image.new("RGBA", (2, 2), (128, 0, 0, 0))},
        {"image": Image.new("LA", (2, 2), (128, 0))},
        {"image": Image.new("L", (2, 2), 9), "transparency": 9},
        {"image": Image.new("RGB", (2, 2), (9, 9, 9)).quantize(2), "transparency": 0},
    ],
    ids=lambda file: file["image"].mode,
)
def test_transparent_parts_are_laid_on_the_background(
    file: dict[str, Any], background: str, value: float
) -> None:
    size = Parameters.model_validate(
        {"height": 1, "width": 1, "channels": 1, "background": background}
    )

    assert to_array(read_image(png(**file), size, max_pixels=4), size).item() == value


def test_transparent_parts_are_black_unless_the_owner_says_otherwise() -> None:
    assert values(Image.new("RGBA", (2, 2), (255, 255, 255, 0)), 1) == [0]


def test_a_large_jpeg_is_decoded_no_larger_than_needed() -> None:
    file = io.BytesIO()
    Image.linear_gradient("L").resize((800, 1600)).save(file, "JPEG", quality=95)
    size = Parameters(height=25, width=25, channels=1)

    image = read_image(file.getvalue(), size, max_pixels=2_000_000)

    assert image.size == (100, 200)
    assert to_array(image, size)[:, 0, 0] == pytest.approx((np.arange(25) + 0.5) / 25, abs=0.02)


def test_an_image_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees
    file = io.BytesIO()
    Image.new("L", (4, 2)).save(file, "JPEG", exif=exif)

    assert read_image(file.getvalue(), data.PARAMETERS, max_pixels=100).size == (2, 4)


@pytest.mark.parametrize(
    "chunk",
    [
        (b"eXIf", b"no TIFF at all"),
        (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2_000_000))),
        (b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(bytes(2_000_000))),
        (b"iCCP", b"Profile\0\0" + zlib.compress(bytes(2_000_000))),
    ],
    ids=lambda chunk: chunk[0].decode(),
)
@pytest.mark.parametrize("at", [33, -12], ids=["behind IHDR", "before IEND"])
def test_what_lies_beside_the_pixels_does_not_spoil_them(
    task: Task, chunk: tuple[bytes, bytes], at: int
) -> None:
    kind, content = chunk
    checksum = zlib.crc32(kind + content).to_bytes(4, "big")
    whole = len(content).to_bytes(4, "big") + kind + content + checksum
    file = samples.OTHER_RAW[:at] + whole + samples.OTHER_RAW[at:]

    found = task.preprocess(file).arrays["image"]
    assert (found == task.preprocess(samples.OTHER_RAW).arrays["image"]).all()


def test_base64_is_read_as_programs_write_it(task: Task) -> None:
    content = png(Image.effect_noise((9, 9), 90))
    text, safe = samples.encoded(content), base64.urlsafe_b64encode(content).decode()
    assert set(safe) & set("-_")
    lines = base64.encodebytes(content).decode()
    written = [text, lines, lines.replace("\n", "\r\n"), safe, text.rstrip("="), safe.rstrip("=")]
    written += [f"data:image/png;base64,{text}", f"DATA:image/png;base64,{lines}"]

    by_bytes = task.preprocess(content).arrays["image"]
    for each in written:
        assert (task.preprocess(each).arrays["image"] == by_bytes).all()


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

    with pytest.raises(BadValue, match="400000000 pixels; at most 100"):
        task.preprocess(file.getvalue())


def test_the_images_of_a_request_are_limited_together(tmp_path: Path) -> None:
    folder = write_fake_version(tmp_path / "default")
    task = Task(folder, manifests.read(folder), Settings(max_request_pixels=48))

    task.check_request([samples.RAW, samples.VALUE, b"no image"])  # 24 pixels each
    with pytest.raises(BadValue, match="72 pixels together; at most 48"):
        task.check_request([samples.RAW, samples.VALUE, samples.OTHER_RAW])
    alone = Task(folder, manifests.read(folder), Settings(max_request_pixels=23))
    with pytest.raises(BadValue, match="24 pixels; at most 23"):
        alone.preprocess(samples.RAW)


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
