"""Your preprocessing: an image file becomes the model's array, its output an answer.

Training, the service and the tests all read images by these rules. No HTTP and no machine-learning
framework here.
"""

import base64
import binascii
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from PIL import Image, ImageOps
from pydantic import BaseModel, ConfigDict, Field

from model.schemas import LabelScore, Prediction
from service.errors import BadValue, ModelFailed
from service.manifest import Arrays, Manifest, Signature, Tensor
from service.numerics import probabilities
from service.settings import Settings

NAME = "image-classification"
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")

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
        content = _decode_base64(value) if isinstance(value, str) else value
        image = read_image(content, max_pixels=self.settings.max_pixels)
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


def read_image(content: bytes, *, max_pixels: int) -> Image.Image:
    """Decode an image file, upright as its EXIF data says.

    Raises:
        BadValue: *content* is empty, no image of a format in ``FORMATS``, broken, or has more than
            *max_pixels* pixels.
    """
    if not content:
        raise BadValue("the image is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # max_pixels is what limits an image here
            image = Image.open(io.BytesIO(content), formats=FORMATS)
            pixels = image.width * image.height
            if pixels > max_pixels:
                raise BadValue(f"the image has {pixels} pixels; at most {max_pixels} are accepted")
            image.load()
            return ImageOps.exif_transpose(image)
    except BadValue:
        raise
    except Image.DecompressionBombError:  # Pillow's own bound, on what no service can decode
        raise BadValue(
            f"the image has too many pixels; at most {max_pixels} are accepted"
        ) from None
    except Exception as error:  # Pillow's decoders raise many kinds for a broken file
        accepted = ", ".join(FORMATS)
        raise BadValue(f"not an image that can be read; accepted: {accepted}") from error


def to_array(image: Image.Image, parameters: Parameters) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Scale *image* to the model's size.

    Transparent parts count as black. Each pixel of the result is the mean of the pixels it covers.

    Returns:
        ``(H, W, C) float32``: ``(v - mean) / scale`` with v in [0, 1].
    """
    if image.has_transparency_data:
        backdrop = Image.new("RGBA", image.size, "black")
        image = Image.alpha_composite(backdrop, image.convert("RGBA"))
    grey_or_rgb = image.convert("L" if parameters.channels == 1 else "RGB")
    scaled = grey_or_rgb.resize((parameters.width, parameters.height), Image.Resampling.BOX)
    pixels = np.asarray(scaled, dtype=np.float32) / np.float32(255)
    array = (pixels - np.float32(parameters.mean)) / np.float32(parameters.scale)
    return array.reshape(parameters.height, parameters.width, parameters.channels)


def _decode_base64(text: str) -> bytes:
    if text.startswith("data:"):
        _, _, text = text.partition(",")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadValue("not base64") from error
