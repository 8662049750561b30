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
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from model.schemas import LabelScore, Prediction
from service.errors import BadValue, ModelFailed
from service.manifest import Arrays, Manifest, Signature, Tensor
from service.numerics import probabilities
from service.settings import Settings

NAME = "image-classification"
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
LONGEST_SIDE = 65_535
"""Of an image, in pixels; a JPEG file's own limit."""
MOST_ENLARGED = 4
"""Of an image with longer sides than that its middle alone is scaled: rounded otherwise, in less
memory."""

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
    order: Literal["RGB", "BGR"] = "RGB"
    mean: float | tuple[float, float, float] = 0.0
    scale: PositiveFloat | tuple[PositiveFloat, PositiveFloat, PositiveFloat] = 1.0
    """A pixel of value v in [0, 1] goes in as ``(v - mean) / scale``; for all channels, or for each
    in its order."""
    fit: Literal["squash", "crop", "letterbox"] = "squash"
    """What becomes of an image of other proportions: it is distorted, its middle is cut out, or it
    is laid on the background as a whole."""
    shorter_side: PositiveInt | None = None
    """Of an image whose middle is cut out, in pixels; at least the model's longer side."""
    resampling: Literal["box", "nearest", "bilinear", "bicubic", "lanczos"] = "box"
    antialias: bool = True
    """Whether a smaller image has all pixels of the larger one in it, as in Pillow; or those next
    to each place alone. No choice with ``box`` and ``lanczos``."""
    background: Literal["black", "white"] = "black"
    """What transparent parts are laid on; white suits dark drawings without a ground."""

    def signature(self, label_count: int, scores: str = "logits") -> Signature:
        """The signature of a model that reads such images, and gives such *scores*."""
        shape = (None, self.height, self.width, self.channels)
        return Signature(
            inputs=[Tensor(name="image", dtype="float32", shape=shape)],
            outputs=[Tensor(name=scores, dtype="float32", shape=(None, label_count))],
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
        if len(values) == 1:  # which is looked at when it is read
            return
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
        most = min(self.settings.max_pixels, self.settings.max_request_pixels)
        image = read_image(_content(value), self.parameters, max_pixels=most)
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

    A JPEG that is scaled by ``box`` is decoded at a half, a quarter or an eighth of its size, where
    that leaves at least twice the model's.

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
        if parameters.resampling == "box":
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
    """Make the model's input of *image*.

    Modes ``I`` and ``I;16`` hold 0 to 65535, as PNG files do, ``F`` 0 to 255, as Pillow converts to
    it.

    Returns:
        ``(H, W, C) float32``: ``(v - mean) / scale`` with v in [0, 1].
    """
    if image.mode == "F" or image.mode.startswith("I"):
        shades = np.asarray(image, dtype=np.float32) / np.float32(1 if image.mode == "F" else 257)
        deep = _fitted(Image.fromarray(shades), parameters)
        image = Image.fromarray(np.rint(np.asarray(deep)).clip(0, 255).astype(np.uint8))
    mode = "RGBA" if image.has_transparency_data else "L" if image.mode == "L" else "RGB"
    if image.mode != mode:  # else it would be a copy
        image = image.convert(mode)
    fitted = _fitted(image, parameters)
    if mode == "RGBA":
        ground = Image.new(mode, fitted.size, parameters.background)
        fitted = Image.alpha_composite(ground, fitted)
    fitted = fitted.convert("L" if parameters.channels == 1 else "RGB")
    pixels = np.asarray(fitted, dtype=np.float32).reshape(
        parameters.height, parameters.width, parameters.channels
    )
    if parameters.order == "BGR":
        pixels = pixels[..., ::-1]
    mean, scale = (np.asarray(n, dtype=np.float32) for n in (parameters.mean, parameters.scale))
    return np.ascontiguousarray((pixels / np.float32(255) - mean) / scale)


def _fitted(image: Image.Image, parameters: Parameters) -> Image.Image:
    """*image* in the model's size."""
    width, height = parameters.width, parameters.height
    if parameters.fit == "squash":
        return _resized(image, (width, height), (0, 0, *image.size), parameters)
    if parameters.fit == "letterbox":
        share = min(width / image.width, height / image.height)
        inner = (max(1, round(image.width * share)), max(1, round(image.height * share)))
        ground = Image.new(image.mode, (width, height), parameters.background)
        place = ((width - inner[0]) // 2, (height - inner[1]) // 2)
        ground.paste(_resized(image, inner, (0, 0, *image.size), parameters), place)
        return ground
    shorter = max(parameters.shorter_side or 0, width, height)
    longer = int(shorter * max(image.size) / min(image.size))
    size = (shorter, longer) if image.width < image.height else (longer, shorter)
    left, top = round((size[0] - width) / 2), round((size[1] - height) / 2)
    if longer <= MOST_ENLARGED * shorter:
        whole = _resized(image, size, (0, 0, *image.size), parameters)
        return whole.crop((left, top, left + width, top + height))
    across, down = image.width / size[0], image.height / size[1]
    part = (left * across, top * down, (left + width) * across, (top + height) * down)
    return _resized(image, (width, height), part, parameters)


def _resized(
    image: Image.Image,
    size: tuple[int, int],
    part: tuple[float, float, float, float],
    parameters: Parameters,
) -> Image.Image:
    """The *part* of an image from left, top to right, bottom, in another *size*."""
    method = Image.Resampling[parameters.resampling.upper()]
    if parameters.antialias or parameters.resampling in {"box", "lanczos"}:
        return image.resize(size, method, part)
    left, top, right, bottom = part
    steps = ((right - left) / size[0], 0, left, 0, (bottom - top) / size[1], top)
    return image.transform(size, Image.Transform.AFFINE, steps, method)


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
