"""The import as its owner runs it, and what the version that it makes answers."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from service import manifest as manifests
from service import runtime
from service.lifecycle.__main__ import main
from service.owner import Task
from service.settings import Settings

SIZE = (24, 20)
"""Height and width of the foreign models' images."""
LABELS = ["ash", "birch", "cedar", "elm", "fir"]
ALL = {"labels": ",".join(LABELS), "size": "x".join(map(str, SIZE)), "preprocess": "zero-one"}
"""What may be said of the models."""


def pictures() -> list[npt.NDArray[np.uint8]]:
    """Of the foreign models' size: nothing is scaled, so that other libraries read the same."""
    random = np.random.default_rng(3)
    shades = [random.integers(0, 256, (*SIZE, 3)), np.full((*SIZE, 3), 255), np.zeros((*SIZE, 3))]
    shades.append(np.arange(SIZE[0] * SIZE[1] * 3).reshape(*SIZE, 3) % 256)
    return [each.astype(np.uint8) for each in shades]


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """The file of a picture."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def photos(folder: Path, each: int = 12) -> Path:
    """Labelled images, as ``DATA`` names them: two labels, with *each* images."""
    for label, grey in (("dark", 20), ("light", 220)):
        (folder / label).mkdir(parents=True)
        for number in range(each):
            image = Image.new("RGB", (30, 20), (grey + number, grey, grey))
            image.save(folder / label / f"{number}.png")
    return folder


class Case(NamedTuple):
    """A foreign model.

    Args:
        path: its file or folder.
        said: what its owner says of it.
        scores: probabilities ``(N, labels)`` of the images, by the original.
        labels: in their order.
        build: the owner's network, for weights alone.
        images: that the original was asked for.
    """

    path: Path
    said: dict[str, str]
    scores: npt.NDArray[Any]
    labels: list[str] = LABELS
    build: Callable[..., Any] | None = None
    images: list[npt.NDArray[np.uint8]] = pictures()


def with_the_other(second: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The scores of two labels, of which a model gives the second's alone, ``(N, 1)``."""
    return np.concatenate([1 - second, second], 1)


def import_model(path: Path | str, models: Path, **options: str) -> int:
    """The exit status of ``import``."""
    given = [text for name, value in options.items() for text in (f"--{name}", value)]
    return main(["import", str(path), "--model-dir", str(models), *given])


def assert_answers(models: Path, expected: npt.NDArray[Any], labels: list[str] = LABELS) -> None:
    """The newest version in *models* has the scores *expected* for the pictures, in any batch."""
    folder = manifests.find_version(models, None)
    facts = manifests.read(folder)
    assert facts.labels == labels
    task = Task(folder, facts, Settings())
    for artefact in facts.artefacts:
        predict = runtime.load(folder, facts, artefact, threads=1)
        for pixels, scores in zip(pictures(), expected, strict=True):
            prepared = task.preprocess(png(pixels))
            batch = {name: array[None] for name, array in prepared.arrays.items()}
            outputs = {name: array[0] for name, array in predict(batch).items()}
            found = {each.label: each.score for each in task.postprocess(prepared, outputs).scores}
            assert found == pytest.approx(dict(zip(labels, scores, strict=True)), abs=1e-4)


def refused(
    path: Path | str, models: Path, capsys: pytest.CaptureFixture[str], **options: str
) -> str:
    """The sentence with which an import is refused; the version that was there is untouched."""
    kept = models / "7" / "kept.txt"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text("a version that was there")
    before = sorted(models.parent.rglob("*"))
    assert import_model(path, models, **options) == 1
    assert sorted(models.parent.rglob("*")) == before
    assert kept.read_text() == "a version that was there"
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error.strip()
