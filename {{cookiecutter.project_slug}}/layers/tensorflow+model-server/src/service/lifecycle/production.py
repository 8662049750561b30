"""Where the two images that are in production have their model."""

from pathlib import Path

from service.manifest import find_version

FOLDERS = ("/app/models", "/models")
"""In the service's image, which says what the model is, and in the model server's, which has it."""


def version_in(copied: Path, name: str) -> Path:
    """The folder of the version that is served, of the model *name* in *copied*."""
    return find_version(copied / name, None)
