"""What the task's tests ask, and what a model that is no model answers."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from model.preprocess import NAME, Parameters
from service.manifest import Arrays, Signature

TASK = NAME
LABELS = ["dark", "bright"]
PARAMETERS = {"height": 4, "width": 6, "channels": 1}
SIGNATURE: Signature = Parameters(height=4, width=6, channels=1).signature(len(LABELS))

POISON_GREY = 77
"""An image of this shade makes the fake model raise."""


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
POISON_VALUE = encoded(picture(POISON_GREY))
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
    """What the fake model says: how bright the image is."""
    grey = float(arrays["image"].mean())
    return {"logits": np.array([0.5 - grey, grey - 0.5], np.float32) * 8}


def is_poison(arrays: Arrays) -> bool:
    """Whether the fake model raises."""
    return bool(np.isclose(arrays["image"].mean(), POISON_GREY / 255))
