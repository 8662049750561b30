"""The model that is in production now: in the image that runs there, or in a folder."""

import argparse
from pathlib import Path

from service.lifecycle import images
from service.manifest import MANIFEST, find_version

MODELS = "/app/models"
"""In the image."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Let *parser* accept where the model is."""
    parser.add_argument(
        "--production",
        metavar="IMAGE",
        default="",
        help="the image that is in production, or a model's folder (default: there is none)",
    )


def find(options: argparse.Namespace, name: str, scratch: Path) -> Path | None:
    """The folder of the version in production; ``None`` when there is none yet.

    Args:
        options: of the command line.
        name: the model's.
        scratch: where what is in an image may be copied to.

    Raises:
        OwnerError: whether there is one is not known, or it cannot be had.
    """
    production: str = options.production
    if not production:
        return None
    folder = Path(production)
    if (folder / MANIFEST).is_file():
        return folder
    if folder.is_dir():
        return find_version(folder, None)
    if not images.is_there(production):
        return None
    images.copy(production, MODELS, scratch)
    return find_version(scratch / name, None)
