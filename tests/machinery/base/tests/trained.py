"""A true model for tests: small, trained in seconds, exported and verified like any other."""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

import samples

from service.lifecycle.evaluate import evaluate
from service.lifecycle.export import export
from service.lifecycle.train import train


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
    train(folder / "candidate", epochs=samples.EPOCHS)
    evaluate(folder / "candidate", threshold=samples.THRESHOLD)
    export(folder / "candidate", folder / "default")
    return folder
