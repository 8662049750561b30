"""A true model for tests: trained, exported and verified, in this process.

STARTER names a folder with one that is there already. Where tests only need some model, LEARN_EVERY
is how many examples it passes over: 30 lets it learn from one in thirty.
"""

import atexit
import dataclasses
import functools
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import samples
from verifying import here

from model import data
from service.lifecycle import verify
from service.lifecycle.evaluate import evaluate
from service.lifecycle.export import export
from service.lifecycle.source import Source
from service.lifecycle.train import train
from service.training import Dataset, Examples


def make_model(folder: Path) -> Path:
    """Put a candidate and its first version into *folder*.

    Returns:
        The model folder, with the version ``1`` in it. ``folder / "candidate"`` is what it was
        exported from.
    """
    shutil.copytree(_made(), folder, dirs_exist_ok=True)
    return folder / "default"


def loading_every(step: int) -> Callable[..., Dataset]:
    """As ``data.load``, but for every *step*-th example alone; of those held out every tenth."""
    load = data.load

    def load_few(source: Source, version: Path | None = None) -> Dataset:
        whole = load(source, version)
        train = _every(step, whole.train)
        held_out = _every(min(step, 10), whole.held_out)  # tests ask for sixteen golden inputs
        return dataclasses.replace(whole, train=train, held_out=held_out)

    return load_few


def _every(step: int, examples: Examples) -> Examples:
    inputs = {name: array[::step] for name, array in examples.inputs.items()}
    return Examples(inputs, examples.targets[::step])


@functools.cache
def _made() -> Path:
    """Made once a test session, however many tests ask."""
    folder = Path(tempfile.mkdtemp(prefix="model-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if made := os.environ.get("STARTER"):
        shutil.copytree(Path(made) / "candidate", folder / "candidate")
        shutil.copytree(Path(made) / "models" / "default", folder / "default")
        return folder
    step = int(os.environ.get("LEARN_EVERY", "1"))
    with patch.object(data, "load", loading_every(step)):
        train(folder / "candidate", epochs=samples.EPOCHS)
        evaluate(folder / "candidate", threshold=samples.THRESHOLD if step == 1 else 0)
    with patch.object(verify, "in_fresh_process", here):
        export(folder / "candidate", folder / "default")
    return folder
