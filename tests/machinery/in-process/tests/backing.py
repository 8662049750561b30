"""What a service needs beside itself: nothing."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def backed(_model_dir: Path, _folder: Path) -> Iterator[dict[str, str]]:
    """The environment of a service that serves the versions of a model."""
    yield {}
