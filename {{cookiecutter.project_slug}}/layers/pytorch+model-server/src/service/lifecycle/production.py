"""The model that is in production now: in the two images that run there, or in a folder.

The service's image says what the model is, the model server's has it.
"""

import argparse
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from service.errors import OwnerError
from service.lifecycle import images
from service.manifest import MANIFEST, find_version, read

MODELS = "/app/models"
"""In the service's image."""
STORE = "/app/model-store"
"""In the model server's."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Let *parser* accept where the model is."""
    parser.add_argument(
        "--production",
        metavar="IMAGE",
        default="",
        help="the service's image that is in production, or a model's folder (default: there is "
        "none)",
    )
    parser.add_argument(
        "--production-server",
        metavar="IMAGE",
        default="",
        help="the model server's image beside it (default: IMAGE-model-server)",
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
    version = find_version(scratch / name, None)
    server: str = options.production_server or f"{production}-model-server"
    store = scratch / ".store"
    if not images.is_there(server):
        raise OwnerError(f'There is an image "{production}", but none "{server}" with its model.')
    images.copy(server, STORE, store)
    # As service.lifecycle.archive names it, which would import the archiver.
    archive = store / f"{name}-{version.name}.mar"
    try:
        with ZipFile(archive) as zipped:
            zipped.extract(read(version).artefacts[0].path, version)
    except (OSError, KeyError, BadZipFile) as error:
        raise OwnerError(f'"{server}" has no model in {STORE}/{archive.name}: {error}.') from None
    return version
