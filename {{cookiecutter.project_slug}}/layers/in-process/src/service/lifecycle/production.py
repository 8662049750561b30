"""Where the image that is in production has its model."""

from pathlib import Path

from service.manifest import find_version

FOLDERS = ("/app/models",)
"""In the image."""


def version_in(copied: Path, name: str) -> Path:
    """The folder of the version that is served, of the model *name* in *copied*."""
    return find_version(copied / name, None)
