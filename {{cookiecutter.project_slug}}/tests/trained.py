"""A true model for tests: small, trained in seconds, exported and verified like any other."""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

from service.lifecycle.evaluate import evaluate
from service.lifecycle.export import export
from service.lifecycle.train import train

EPOCHS = 6
THRESHOLD = 0.7
"""Enough to tell a model that has learnt something from one that has not."""


def make_model(folder: Path) -> Path:
    """Put a candidate and its first version into *folder*.

    Returns:
        The model folder, with the version ``1`` in it. ``folder / "candidate"`` is what it was
        exported from.
    """
    shutil.copytree(_made(), folder, dirs_exist_ok=True)
    return folder / "default"


@functools.cache
def _made() -> Path:
    """Made once a test session, however many tests ask."""
    folder = Path(tempfile.mkdtemp(prefix="model-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    train(folder / "candidate", epochs=EPOCHS)
    evaluate(folder / "candidate", threshold=THRESHOLD)
    export(folder / "candidate", folder / "default")
    return folder
