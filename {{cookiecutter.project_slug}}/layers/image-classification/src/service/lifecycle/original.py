"""A trained model from elsewhere: what its file says, and what only its owner knows."""

import json
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from service.errors import OwnerError, first_fault
from service.lifecycle.fetch import downloaded
from service.owner import Parameters

PREPROCESSING: dict[str, dict[str, Any]] = {
    "imagenet": {"mean": (0.485, 0.456, 0.406), "scale": (0.229, 0.224, 0.225)},
    "zero-one": {"mean": 0.0, "scale": 1.0},
    "minus-one-one": {"mean": 0.5, "scale": 0.5},
    "caffe": {
        "order": "BGR",
        "mean": (103.939 / 255, 116.779 / 255, 123.68 / 255),
        "scale": 1 / 255,
    },
    "none": {"mean": 0.0, "scale": 1 / 255},
}
"""What a pixel becomes: docs/import.md has it in words."""


class Model(Protocol):
    """A model that was read, in its framework."""

    exporters: Mapping[str, tuple[str, Callable[..., None]]]
    """Format to path in the version's folder and exporter."""

    def predict(self, images: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        """What the original gives for images ``(N, H, W, C)``."""

    def network(self, scores: str, *, is_single: bool) -> Any:
        """The network to export, whose one output is called *scores*.

        Args:
            scores: ``"logits"`` or ``"probabilities"``.
            is_single: whether the original gives the second of two labels' score alone.
        """


@dataclass(frozen=True)
class Found:
    """What the file of a model says; ``None`` is what it does not.

    Args:
        kind: of the file, in words.
        formats: that it can be exported to; the first is served.
        read: gives the model, which reads images as the parameters say, and has so many labels.
        size: height and width of the images, 0 where any is read.
        channels: of the images.
        parameters: fields of the preprocessing.
        label_count: how many scores it gives; 1 may stand for two labels.
        labels: in the order of its output.
        scores: ``"logits"``, ``"probabilities"`` or ``"independent"``.
    """

    kind: str
    formats: tuple[str, ...]
    read: Callable[[Parameters, int], Model]
    size: tuple[int, int] = (0, 0)
    channels: int = 3
    parameters: dict[str, Any] | None = None
    label_count: int | None = None
    labels: list[str] | None = None
    scores: str | None = None


def original_at(origin: str, beside: Path, sha256: str) -> AbstractContextManager[Path]:
    """The file or folder at *origin*; where that is an address, or *sha256* is known, a copy."""
    if "://" in origin or sha256:
        return downloaded(origin, beside, sha256 or None)
    return nullcontext(Path(origin))


def image_of(kind: str, sizes: list[int | None], *, is_channels_first: bool) -> dict[str, Any]:
    """Size and channels of a batch of images with the *sizes*; where both layouts fit, of one."""
    axes = (1, 3) if is_channels_first else (3, 1)
    axis = next((each for each in axes if len(sizes) == 4 and sizes[each] in {1, 3}), None)  # noqa: PLR2004
    if axis is None:
        shape = ", ".join("any" if size is None else str(size) for size in sizes)
        raise OwnerError(
            f"{kind} reads ({shape}). A batch of images is (N, C, H, W) or (N, H, W, C), with 1 or "
            f"3 channels."
        )
    height, width = sizes[2:] if axis == 1 else sizes[1:3]
    return {"channels": sizes[axis], "size": (height or 0, width or 0)}


def labels_of(found: Found, given: str, path: Path) -> list[str]:
    """The labels: *given*, a file or a list with commas, or what lies beside or in the model."""
    places = [path / "labels.txt", path.parent / "labels.txt"]
    beside = [str(place) for place in places if place.is_file()]
    if not given and found.labels is None and not beside:
        given = _ask(
            "LABELS",
            f"{found.kind} gives scores, and no file says of which labels. Give LABELS=labels.txt, "
            f"one label a line in the order of the scores, or LABELS=cat,dog.",
        )
    if not given and found.labels is not None:
        labels = found.labels
    elif (file := Path(given or beside[0])).is_file():
        labels = _labels_in(file)
    elif "," in given:
        labels = [label.strip() for label in given.split(",")]
    else:
        raise OwnerError(f'LABELS is "{given}", which is neither a file nor a list with commas.')
    if found.label_count not in {None, len(labels)} and (found.label_count, len(labels)) != (1, 2):
        raise OwnerError(
            f"{found.kind} gives {found.label_count} scores for an image, and there are "
            f"{len(labels)} labels: {', '.join(labels[:9])}{', ...' * (len(labels) > 9)}."  # noqa: PLR2004
        )
    if len(labels) < 2 or len(set(labels)) < len(labels) or "" in labels:  # noqa: PLR2004
        raise OwnerError(
            f"The labels are {', '.join(labels)}. Accepted are two or more, each once."
        )
    return labels


def formats_of(found: Found, given: str) -> tuple[str, ...]:
    """The formats of a list with commas."""
    formats = tuple(given.replace(",", " ").split())
    if unknown := [name for name in formats if name not in found.formats]:
        raise OwnerError(
            f"FORMATS has {', '.join(unknown)}; {found.kind} can be exported to "
            f"{', '.join(found.formats)}."
        )
    return formats


def _labels_in(path: Path) -> list[str]:
    """Labels of a text file, a line each, or of JSON: a list, by number, or numbers by label."""
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix != ".json":
        return [line.strip() for line in text.splitlines() if line.strip()]
    try:
        found = json.loads(text)
        if isinstance(found, dict):
            by_number = found.items()
            if all(isinstance(value, int) for value in found.values()):
                by_number = {number: label for label, number in found.items()}.items()
            found = [label for _, label in sorted((int(key), value) for key, value in by_number)]
        return [str(label) for label in found]
    except (TypeError, ValueError) as error:
        raise OwnerError(f'LABELS is "{path}", which has no labels: {error}.') from None


def parameters_of(
    found: Found, geometry: Callable[[str, int], dict[str, Any]], preprocess: str, size: str
) -> Parameters:
    """What an image becomes: as the file says, and the owner.

    Args:
        found: what the file says.
        geometry: how images are fitted, by the name of the preprocessing and the shorter side.
        preprocess: a name in ``PREPROCESSING``, or a JSON file with fields of ``Parameters``; empty
            for what the file says.
        size: height and width, as ``224`` or ``224x160``; empty for what the file says.
    """
    said = found.parameters
    if said is None and not preprocess:
        preprocess = _ask(
            "PREPROCESS",
            f"{found.kind} does not say what a pixel becomes. Give PREPROCESS="
            f"{'|'.join(PREPROCESSING)}, or a JSON file with fields of Parameters in "
            f"src/model/preprocess.py.",
        )
    height, width = _size_of(found, size)
    name = preprocess if preprocess in PREPROCESSING else "none"
    fields = geometry(name, min(height, width))
    fields |= _fields_in(preprocess) if preprocess else said or {}
    try:
        return Parameters.model_validate(
            {"height": height, "width": width, "channels": found.channels} | fields
        )
    except ValidationError as error:
        raise OwnerError(
            f"The preprocessing is not one that the service does: {first_fault(error)}."
        ) from None


def _fields_in(preprocess: str) -> dict[str, Any]:
    if preprocess in PREPROCESSING:
        return PREPROCESSING[preprocess]
    try:
        found: dict[str, Any] = dict(json.loads(Path(preprocess).read_text(encoding="utf-8")))
    except (OSError, TypeError, ValueError) as error:
        raise OwnerError(
            f'PREPROCESS is "{preprocess}". Accepted are {", ".join(PREPROCESSING)}, and a JSON '
            f"file with fields of Parameters in src/model/preprocess.py: {error}."
        ) from None
    return found


def _size_of(found: Found, given: str) -> tuple[int, int]:
    said = tuple((found.parameters or {}).get(name, 0) for name in ("height", "width"))
    height, width = said if all(said) else found.size
    if not given and not (height and width):
        given = _ask(
            "SIZE", f"{found.kind} does not say of which size. Give SIZE=224, or SIZE=HEIGHTxWIDTH."
        )
    if not given:
        return height, width
    match = re.fullmatch(r"([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?", given)
    if match is None:
        raise OwnerError(f'SIZE is "{given}"; accepted are 224 and 224x160, height by width.')
    wanted = (int(match[1]), int(match[2] or match[1]))
    if height not in {0, wanted[0]} or width not in {0, wanted[1]}:
        raise OwnerError(f"{found.kind} takes {height}x{width} pixels, and SIZE is {given}.")
    return wanted


def scores_of(found: Found, outputs: npt.NDArray[Any], count: int, given: str) -> tuple[str, bool]:
    """What the *outputs* for examples are, and whether one score stands for two labels.

    Raises:
        OwnerError: they are not one score for each of *count* labels, of which one is right.
    """
    if outputs.ndim != 2 or outputs.dtype.kind != "f":  # noqa: PLR2004
        shape = " by ".join(map(str, outputs.shape[1:])) or "no"
        raise OwnerError(
            f"{found.kind} gives {shape} numbers of {outputs.dtype} for an image. This service "
            f"takes a classifier, which gives one score for each label: no boxes, masks, features, "
            f"or number of a label."
        )
    is_single = outputs.shape[1] == 1 and count == 2  # noqa: PLR2004
    if outputs.shape[1] != count and not is_single:
        what = " That is a regression, or LABELS is wrong." if outputs.shape[1] == 1 else ""
        raise OwnerError(
            f"{found.kind} gives {outputs.shape[1]} scores for an image, and there are {count} "
            f"labels.{what}"
        )
    if not np.isfinite(outputs).all():
        raise OwnerError(f"{found.kind} gives scores for the examples that are not finite.")
    are_shares = bool((outputs >= 0).all() and (outputs <= 1).all())
    add_up = are_shares and (is_single or np.allclose(outputs.sum(axis=1), 1, atol=1e-3))
    said = given or found.scores or (are_shares and "independent") or "logits"
    if said != "logits" and not add_up:
        raise OwnerError(
            f"{found.kind} judges each label by itself: its scores do not add up to 1. This "
            f"service gives the one label that is right. If the scores are logits of a softmax, "
            f"give SCORES=logits."
        )
    return ("logits" if said == "logits" else "probabilities"), is_single


def _ask(name: str, message: str) -> str:
    """What the owner answers in a terminal; elsewhere *message* is the error."""
    if not sys.stdin.isatty():
        raise OwnerError(message)
    sys.stderr.write(f"{message}\n{name}=")
    sys.stderr.flush()
    if answer := sys.stdin.readline().strip():
        return answer
    raise OwnerError(message)
