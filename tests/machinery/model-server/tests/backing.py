"""What a service needs beside itself: a model server."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from model_servers import running_server


@contextlib.contextmanager
def backed(model_dir: Path, folder: Path) -> Iterator[dict[str, str]]:
    """The environment of a service that serves the versions of a model."""
    with running_server(model_dir, folder) as server:
        yield server.settings
