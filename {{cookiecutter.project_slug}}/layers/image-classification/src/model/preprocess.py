"""Your preprocessing: an image file becomes the model's array, its output an answer.

Training, the service and the tests all read images by these rules. No HTTP and no machine-learning
framework here.
"""

import base64
import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin
from pydantic import BaseModel, ConfigDict, Field

from model.schemas import LabelScore, Prediction
from service.errors import BadValue, ModelFailed
from service.manifest import Arrays, Manifest, Signature, Tensor
from service.numerics import probabilities
from service.settings import Settings

NAME = "image-classification"
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
LONGEST_SIDE = 65_535
"""Of an image, in pixels; a JPEG file's own limit."""

Image.MAX_IMAGE_PIXELS = None  # Settings.max_pixels is the limit
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY  # of one text or colour profile
# One block for each image: malloc returns it to the system, and keeps smaller ones.
Image.core.set_block_size(2**29)  # type: ignore[attr-defined]

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
    """What transparent parts are laid on; white suits dark drawings without a ground."""

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
        self.scores = manifest.scores
        self.labels = manifest.labels
        self.parameters = Parameters.model_validate(manifest.parameters)
        self.input_name = manifest.signature.inputs[0].name
        self.output_name = manifest.signature.outputs[0].name
        self.settings = settings

    def check_request(self, values: Sequence[Value]) -> None:
        """Refuse images that are too large together (``BadValue``), before one is decoded."""
        most = self.settings.max_request_pixels
        pixels = sum(map(_count_pixels, values))
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
            outputs: ``{"logits": (labels,) float32}``, or what the manifest says.

        Raises:
            ModelFailed: the outputs do not fit the labels, or are not finite.
        """
        values = outputs[self.output_name]
        if values.shape != (len(self.labels),) or not np.isfinite(values).all():
            raise ModelFailed("The model's output is not a finite score for every label.")
        scores = probabilities(values, self.scores)
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
        image = Image.open(io.BytesIO(content), formats=FORMATS)
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
        accepted = ", ".join(FORMATS)
        raise BadValue(f"not an image that can be read; accepted: {accepted}") from error
    with contextlib.suppress(Exception):  # broken EXIF data say nothing
        ImageOps.exif_transpose(image, in_place=True)
    return image


def to_array(image: Image.Image, parameters: Parameters) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Scale *image* to the model's size.

    Each pixel of the result is the mean of the pixels it covers. Modes ``I`` and ``I;16`` hold 0 to
    65535, as PNG files do, ``F`` 0 to 255, as Pillow converts to it.

    Returns:
        ``(H, W, C) float32``: ``(v - mean) / scale`` with v in [0, 1].
    """
    size = (parameters.width, parameters.height)
    if image.mode == "F" or image.mode.startswith("I"):
        shades = np.asarray(image, dtype=np.float32) / np.float32(1 if image.mode == "F" else 257)
        deep = Image.fromarray(shades).resize(size, Image.Resampling.BOX)
        image = Image.fromarray(np.rint(np.asarray(deep)).clip(0, 255).astype(np.uint8))
    mode = "RGBA" if image.has_transparency_data else "L" if image.mode == "L" else "RGB"
    if image.mode != mode:  # else it would be a copy
        image = image.convert(mode)
    scaled = image.resize(size, Image.Resampling.BOX)
    if mode == "RGBA":
        scaled = Image.alpha_composite(Image.new(mode, size, parameters.background), scaled)
    scaled = scaled.convert("L" if parameters.channels == 1 else "RGB")
    pixels = np.asarray(scaled, dtype=np.float32) / np.float32(255)
    array = (pixels - np.float32(parameters.mean)) / np.float32(parameters.scale)
    return array.reshape(parameters.height, parameters.width, parameters.channels)


def _count_pixels(value: Value) -> int:
    with contextlib.suppress(Exception):  # what is no image is refused when it is read
        image = Image.open(io.BytesIO(_content(value)), formats=FORMATS)
        return image.width * image.height
    return 0


def _content(value: Value) -> bytes:
    """The file; base64 may have line breaks, be URL-safe, and lack its padding."""
    if isinstance(value, bytes):
        return value
    text = value.partition(",")[2] if value[:5].lower() == "data:" else value
    text = "".join(text.split()).translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError as error:
        raise BadValue("not base64") from error
