"""Where the two images that are in production have their model."""

from pathlib import Path
from zipfile import BadZipFile, ZipFile

from service.errors import OwnerError
from service.manifest import find_version, read

FOLDERS = ("/app/models", "/app/model-store")
"""In the service's image, which says what the model is, and in the model server's, which has it."""


def version_in(copied: Path, name: str) -> Path:
    """The folder of the version that is served, with its artefact out of TorchServe's archive.

    Raises:
        OwnerError: the model server's image has another model.
    """
    version = find_version(copied / name, None)
    # As service.lifecycle.archive names it, which would import the archiver.
    archive = copied / f"{name}-{version.name}.mar"
    try:
        with ZipFile(archive) as zipped:
            zipped.extract(read(version).artefacts[0].path, version)
    except (OSError, KeyError, BadZipFile) as error:
        raise OwnerError(
            f'The model server in production has no "{archive.name}" for the service: {error}.'
        ) from None
    return version
