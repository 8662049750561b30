"""Images become the arrays that other libraries make of them."""

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from model.preprocess import Parameters, to_array

IMAGENET = {"mean": (0.485, 0.456, 0.406), "scale": (0.229, 0.224, 0.225)}


def picture(width: int, height: int) -> Image.Image:
    """Many shades, and edges that resampling changes."""
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
    pixels[height // 4 : height // 2] = (250, 120, 3)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("size", [(300, 200), (200, 301), (64, 64), (20, 700)])
def test_a_crop_is_that_of_torchvision(size: tuple[int, int]) -> None:
    """``Resize(256), CenterCrop(224), ToTensor(), Normalize(mean, std)``, written out."""
    image = picture(*size)
    fitted = {"fit": "crop", "shorter_side": 256, "resampling": "bilinear"}
    parameters = Parameters.model_validate(
        {"height": 224, "width": 224, "channels": 3} | IMAGENET | fitted
    )
    width, height = size
    longer = int(256 * max(size) / min(size))
    whole = image.resize(
        (256, longer) if width <= height else (longer, 256), Image.Resampling.BILINEAR
    )
    left, top = (int(round((side - 224) / 2.0)) for side in whole.size)  # noqa: RUF046 - as there
    pixels = np.asarray(whole.crop((left, top, left + 224, top + 224)), np.float32) / 255
    mean, scale = (np.asarray(IMAGENET[name], np.float32) for name in ("mean", "scale"))
    expected = (pixels - mean) / scale

    found = to_array(image, parameters)

    # Of a sliver a part is scaled, not the whole: rounded to another shade here and there.
    assert np.abs(found - expected).max() <= (1.01 / 255 / 0.224 if max(size) > 500 else 1e-6)


def test_a_sliver_is_cropped_without_its_whole_enlarged() -> None:
    parameters = Parameters(height=224, width=224, channels=3, fit="crop", resampling="bicubic")

    assert to_array(Image.new("RGB", (65_000, 1)), parameters).shape == (224, 224, 3)


@pytest.mark.parametrize(("out", "into"), [((30, 17), (8, 8)), ((9, 8), (32, 20))])
def test_without_antialiasing_a_pixel_is_between_its_four_neighbours(
    out: tuple[int, int], into: tuple[int, int]
) -> None:
    """As ``tf.image.resize(..., "bilinear")`` has it, with centres of pixels at halves."""
    image = picture(*out)
    parameters = Parameters(
        height=into[1], width=into[0], channels=3, resampling="bilinear", antialias=False
    )
    pixels: npt.NDArray[np.float64] = np.asarray(image, np.float64)
    for axis, count in enumerate(reversed(into)):
        length = pixels.shape[axis]
        places = ((np.arange(count) + 0.5) * length / count - 0.5).clip(0, length - 1)
        low = np.floor(places).astype(int)
        share = (places - low).reshape([-1 if each == axis else 1 for each in range(3)])
        high = np.minimum(low + 1, length - 1)
        pixels = pixels.take(low, axis) * (1 - share) + pixels.take(high, axis) * share

    assert np.abs(to_array(image, parameters) - pixels / 255).max() <= 1.01 / 255


def test_caffe_has_blue_first_and_its_mean_of_each_channel() -> None:
    """As ``keras.applications.imagenet_utils.preprocess_input(x, mode="caffe")``."""
    means = (103.939 / 255, 116.779 / 255, 123.68 / 255)
    parameters = Parameters(height=1, width=1, channels=3, order="BGR", mean=means, scale=1 / 255)

    found = to_array(Image.new("RGB", (1, 1), (200, 100, 50)), parameters)

    assert found[0, 0] == pytest.approx([50 - 103.939, 100 - 116.779, 200 - 123.68], abs=1e-4)


def test_a_letterbox_has_the_whole_image_on_its_background() -> None:
    parameters = Parameters(
        height=8, width=8, channels=1, fit="letterbox", background="white", resampling="nearest"
    )

    found = to_array(Image.new("L", (20, 10), 0), parameters)[..., 0]

    assert found[2:6].max() == 0
    assert found[:2].min() == found[6:].min() == 1


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "I;16", "F", "P", "LA"])
@pytest.mark.parametrize("fit", ["squash", "crop", "letterbox"])
def test_every_mode_is_fitted(mode: str, fit: str) -> None:
    fitted = {"fit": fit, "resampling": "bilinear", "antialias": fit == "crop"}
    parameters = Parameters.model_validate({"height": 6, "width": 4, "channels": 3} | fitted)
    full = {"I;16": 65535, "F": 255.0, "P": 255}.get(mode, "white")
    image = Image.new(mode, (10, 10), full)
    if mode == "P":
        image.putpalette(bytes(range(256)) * 3)

    found = to_array(image, parameters)

    assert found.shape == (6, 4, 3)
    assert found.max() == 1


def test_numbers_for_each_channel_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        Parameters(height=1, width=1, channels=3, scale=(1, 0, 1))
