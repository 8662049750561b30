"""Which format of a version is served: the first that answers on this machine as the original did.

The same file can be right on one CPU and wrong on another, or need a library that is not there.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from service import manifest as manifests
from service.logs import log
from service.manifest import Manifest

Model = TypeVar("Model")


def load_first(
    folder: Path, manifest: Manifest, asked: str | None, load: Callable[[str], Model]
) -> tuple[str, Model]:
    """The format that is served, and what *load* gives for it.

    Args:
        folder: the version's.
        manifest: its; names the formats in order.
        asked: the format that the owner wants, which no other takes the place of.
        load: loads a format and checks its golden answers; raises where it cannot be served here.

    Raises:
        OwnerError: a file is not what was exported, which no other format excuses; or *load* raised
            it for the first format, and fails for the others.
    """
    manifests.check_files(folder, manifest, below=manifests.GOLDEN)
    artefacts = [manifest.artefact(asked)] if asked else manifest.artefacts
    failures: list[Exception] = []
    for artefact in artefacts:
        manifests.check_files(folder, manifest, below=artefact.path)
        try:
            return artefact.format, load(artefact.format)
        except Exception as error:  # noqa: BLE001 - each engine raises its own
            failures.append(error)
            if artefact != artefacts[-1]:
                log.warning("format_fails_here", format=artefact.format, reason=str(error))
    raise failures[0]
