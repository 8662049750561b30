"""What the tests send, and what a model that is no model answers.

The images have the size and channels that your model has, and are told apart by what your
preprocessing makes of them, so that another preprocessing changes nothing here.
"""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from model import data
from model.preprocess import NAME, read_image, to_array
from service.manifest import Arrays, Signature

TASK = NAME
LABELS = ["dark", "bright"]
PARAMETERS = data.PARAMETERS.model_dump(mode="json")
SIGNATURE: Signature = data.PARAMETERS.signature(len(LABELS))


def write_assets(_folder: Path) -> None:
    """What a version of the task has beside the manifest: nothing."""


def picture(grey: int, size: tuple[int, int] = (6, 4), kind: str = "PNG") -> bytes:
    """The file of an image of one shade."""
    file = io.BytesIO()
    Image.new("L", size, grey).save(file, kind)
    return file.getvalue()


def encoded(content: bytes) -> str:
    """*content* in base64."""
    return base64.b64encode(content).decode()


ROUTE = "/predict"
RAW_MEDIA_TYPE = "image/png"
RAW = picture(255)
"""An input as a body of its own, whose answer is ``ANSWER``."""
VALUE = encoded(RAW)
"""The same input in JSON."""
BODY = {"image": VALUE}
"""The same as a request."""
ANSWER = "bright"
OTHER_RAW = picture(0)
OTHER_VALUE = encoded(OTHER_RAW)
OTHER_ANSWER = "dark"
POISON = picture(77)
POISON_VALUE = encoded(POISON)
"""An input on which the fake model raises."""
BAD_VALUES = {
    "empty": "",
    "not base64": "%%%",
    "not an image": encoded(b"hello"),
    "truncated": encoded(RAW[:40]),
    "a lone surrogate": "\ud800",
    "not a string": 7,
    "null": None,
}
"""Values that are each answered with a 4xx that names the field."""

EPOCHS = 6
THRESHOLD = 0.7
"""Enough to tell a model that has learnt something from one that has not."""


def outputs(arrays: Arrays) -> Arrays:
    """What the fake model says: which of the two samples the image is more like."""
    to_dark, to_bright = _difference(arrays, OTHER_RAW), _difference(arrays, RAW)
    logits = np.array([to_bright - to_dark, to_dark - to_bright]) / (to_dark + to_bright)
    return {"logits": 8 * logits.astype(np.float32)}


def is_poison(arrays: Arrays) -> bool:
    """Whether the fake model raises."""
    return _difference(arrays, POISON) < 1e-6


def _difference(arrays: Arrays, content: bytes) -> float:
    image = read_image(content, data.PARAMETERS, max_pixels=10**6)
    array = to_array(image, data.PARAMETERS)
    return float(np.abs(arrays[SIGNATURE.inputs[0].name] - array).max())
