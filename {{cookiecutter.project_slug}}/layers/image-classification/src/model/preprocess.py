"""Your preprocessing: an image file becomes the model's array, its output an answer.

Training, the service and the tests all read images by these rules. No HTTP and no machine-learning
framework here.
"""

import base64
import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from PIL import Image, ImageOps
from pydantic import BaseModel, ConfigDict, Field

from model.schemas import LabelScore, Prediction
from service.errors import BadValue, ModelFailed
from service.manifest import Arrays, Manifest, Signature, Tensor
from service.numerics import softmax
from service.settings import Settings

NAME = "image-classification"
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
LONGEST_SIDE = 65_535
"""Of an image, in pixels; a JPEG file's own limit."""

Image.MAX_IMAGE_PIXELS = None  # Settings.max_pixels is the limit
_BAND_PIXELS = 2**20
"""So many pixels are converted and scaled at a time, which bounds the memory for it."""

Value: TypeAlias = bytes | str
"""An image file's bytes, or the same in base64."""


class Parameters(BaseModel):
    """What an image must become; lies in the manifest as ``parameters``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    height: int = Field(ge=1)
    width: int = Field(ge=1)
    channels: Literal[1, 3]
    """1 for shades of grey, 3 for red, green and blue."""
    mean: float = 0.0
    scale: float = Field(default=1.0, gt=0)
    """A pixel of value v in [0, 1] goes in as ``(v - mean) / scale``."""
    background: Literal["black", "white"] = "black"
    """What transparent parts are laid on."""

    def signature(self, label_count: int) -> Signature:
        """The signature of a model that reads such images."""
        shape = (None, self.height, self.width, self.channels)
        return Signature(
            inputs=[Tensor(name="image", dtype="float32", shape=shape)],
            outputs=[Tensor(name="logits", dtype="float32", shape=(None, label_count))],
        )


@dataclass(frozen=True)
class Prepared:
    """One input, ready for the model."""

    arrays: Arrays


class Task:
    """Reads images and names what they show.

    Args:
        _folder: the version's; images need no files beside the manifest.
        manifest: the model's; labels, signature and ``parameters`` are read.
        settings: limits of a request and the size of an answer.
    """

    def __init__(self, _folder: Path, manifest: Manifest, settings: Settings) -> None:
        self.labels = manifest.labels
        self.parameters = Parameters.model_validate(manifest.parameters)
        self.input_name = manifest.signature.inputs[0].name
        self.output_name = manifest.signature.outputs[0].name
        self.settings = settings

    def check_request(self, values: Sequence[Value]) -> None:
        """Refuse the images of one request that are too large together, before one is decoded.

        Raises:
            BadValue: they have more than ``max_request_pixels``.
        """
        most = self.settings.max_request_pixels
        pixels = sum(map(_count_pixels, values)) if len(values) > 1 else 0
        if pixels > most:
            raise BadValue(f"the images have {pixels} pixels together; at most {most} are accepted")

    def preprocess(self, value: Value) -> Prepared:
        """Make one input of the model from an image file.

        Args:
            value: a PNG, JPEG, WebP, GIF or BMP file (of an animation the first frame counts), as
                bytes or in base64.

        Returns:
            With ``{"image": (H, W, C) float32}``.

        Raises:
            BadValue: *value* is empty, no such file, broken, or has more than ``max_pixels``.
        """
        image = read_image(_content(value), self.parameters, max_pixels=self.settings.max_pixels)
        return Prepared({self.input_name: to_array(image, self.parameters)})

    def check(self, arrays: Arrays) -> None:
        """Refuse numbers that no image becomes, in arrays that a caller made.

        Args:
            arrays: ``{"image": (H, W, C) float32}``, one input of the model.

        Raises:
            BadValue: a number is NaN or infinite.
        """
        if not np.isfinite(arrays[self.input_name]).all():
            raise BadValue("a number is NaN or infinite")

    def postprocess(self, _prepared: Prepared, outputs: Arrays) -> Prediction:
        """Name what one image shows.

        Args:
            _prepared: the image.
            outputs: ``{"logits": (labels,) float32}``, or probabilities where the output's name
                says so.

        Raises:
            ModelFailed: the outputs do not fit the labels, or are not finite.
        """
        values = outputs[self.output_name]
        if values.shape != (len(self.labels),) or not np.isfinite(values).all():
            raise ModelFailed("The model's output is not a finite score for every label.")
        scores = values if self.output_name == "probabilities" else softmax(values)
        ranked = np.argsort(-scores, kind="stable")[: self.settings.top_k]
        top = [LabelScore(label=self.labels[i], score=float(scores[i])) for i in ranked]
        return Prediction(prediction=top[0].label, score=top[0].score, scores=top)


def read_image(content: bytes, parameters: Parameters, *, max_pixels: int) -> Image.Image:
    """Decode an image file, upright as its EXIF data says.

    A JPEG is decoded at a half, a quarter or an eighth of its size, where that leaves at least
    twice the model's.

    Raises:
        BadValue: *content* is empty, no image of a format in ``FORMATS``, broken, or has more than
            *max_pixels* pixels, or a side of more than ``LONGEST_SIDE``.
    """
    if not content:
        raise BadValue("the image is empty")
    try:
        image = _open(content)
        pixels, longest = image.width * image.height, max(image.size)
        if pixels > max_pixels:
            raise BadValue(f"the image has {pixels} pixels; at most {max_pixels} are accepted")
        if longest > LONGEST_SIDE:
            raise BadValue(f"a side has {longest} pixels; at most {LONGEST_SIDE} are accepted")
        side = 2 * max(parameters.height, parameters.width)
        image.draft(None, (side, side))
        image.load()
    except BadValue:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds for a broken file
        bare = _without_metadata(content)
        if len(bare) < len(content):
            return read_image(bare, parameters, max_pixels=max_pixels)
        accepted = ", ".join(FORMATS)
        raise BadValue(f"not an image that can be read; accepted: {accepted}") from error
    with contextlib.suppress(Exception):  # broken EXIF data say nothing
        ImageOps.exif_transpose(image, in_place=True)
    return image


def to_array(image: Image.Image, parameters: Parameters) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Scale *image* to the model's size.

    Each pixel of the result is the mean of the pixels it covers.

    Args:
        image: of any mode. ``I`` and ``I;16`` hold 0 to 65535, as in a PNG file, ``F`` 0 to 255,
            as Pillow converts to it.
        parameters: size, channels, background and scale.

    Returns:
        ``(H, W, C) float32``: ``(v - mean) / scale`` with v in [0, 1].
    """
    height, width = parameters.height, parameters.width
    step = image.height / height
    rows = max(1, int(_BAND_PIXELS / (max(image.width, width) * step)))  # of the result, in a band
    bands = []
    for first in range(0, height, rows):
        last = min(first + rows, height)
        top, bottom = first * step, min(last * step, image.height)
        covered = image.crop((0, floor(top), image.width, ceil(bottom)))
        box = (0, top - floor(top), image.width, bottom - floor(top))
        flat = _flatten(covered, parameters)
        scaled = flat.resize((width, last - first), Image.Resampling.BOX, box)
        bands.append(np.asarray(scaled, dtype=np.float32) / np.float32(255))
    pixels = np.concatenate(bands)
    array = (pixels - np.float32(parameters.mean)) / np.float32(parameters.scale)
    return array.reshape(height, width, parameters.channels)


def _flatten(image: Image.Image, parameters: Parameters) -> Image.Image:
    """*image* in 8-bit grey or RGB, on the background."""
    if image.mode == "F" or image.mode.startswith("I"):
        values, transparent = np.asarray(image), image.info.get("transparency")  # a shade, if any
        grey = np.rint(values / np.float32(1 if image.mode == "F" else 257)).clip(0, 255)
        image = Image.fromarray(grey.astype(np.uint8))
        if transparent is not None:
            image.putalpha(Image.fromarray(values != transparent))
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, parameters.background)
        image = Image.alpha_composite(ground, image.convert("RGBA"))
    if image.mode != "L":
        image = image.convert("RGB")
    return image.convert("L" if parameters.channels == 1 else "RGB")


def _count_pixels(value: Value) -> int:
    with contextlib.suppress(Exception):  # what is no image is refused when it is read
        image = _open(_without_metadata(_content(value)))
        return image.width * image.height
    return 0


def _open(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content), formats=FORMATS)


def _without_metadata(content: bytes) -> bytes:
    """A PNG file without texts and colour profile; Pillow refuses a whole file for large ones."""
    start = 8
    if content[:start] != b"\x89PNG\r\n\x1a\n":
        return content
    kept = [content[:start]]
    while start < len(content):
        end = start + int.from_bytes(content[start : start + 4], "big") + 12
        if content[start + 4 : start + 8] not in {b"tEXt", b"zTXt", b"iTXt", b"iCCP"}:
            kept.append(content[start:end])
        start = end
    return b"".join(kept)


def _content(value: Value) -> bytes:
    """The file; base64 may have line breaks, be URL-safe, and lack its padding."""
    if isinstance(value, bytes):
        return value
    text = value
    if text[:5].lower() == "data:":
        _, _, text = text.partition(",")
    text = "".join(text.split()).translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError as error:
        raise BadValue("not base64") from error
