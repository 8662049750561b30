"""What a service needs beside itself: nothing."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

SETTINGS_OF_THE_MODEL = ("MODEL_DIR", "MODEL_VERSION", "MODEL_FORMAT")
"""Each can name a model that is not there."""


@contextlib.contextmanager
def backed(_model_dir: Path, _folder: Path) -> Iterator[dict[str, str]]:
    """The environment of a service that serves the versions of a model."""
    yield {}
