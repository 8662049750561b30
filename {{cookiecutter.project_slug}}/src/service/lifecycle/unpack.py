"""Unpack an archive that came from elsewhere: files and folders alone, all below one folder.

Knows nothing of models.
"""

import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from service.errors import OwnerError

MOST_FILES = 10_000
MOST_BYTES = 32 * 1024**3
"""Of all files together, unpacked."""


class _Member(NamedTuple):
    """A file in an archive; its bytes are *size*, or reading them fails."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]


def unpack(archive: Path, folder: Path) -> None:
    """Unpack the ``.tar.gz`` or ``.zip`` at *archive* into *folder*.

    Raises:
        OwnerError: it is neither, is broken, would write outside of *folder*, holds anything but
            files and folders, or more than is accepted. *folder* may have a part of it.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped:
                _write(archive, _zip_members(archive, zipped), folder)
        elif tarfile.is_tarfile(archive):
            with tarfile.open(archive) as tar:
                _write(archive, _tar_members(archive, tar, folder), folder)
        else:
            raise OwnerError(f'"{archive.name}" is no .tar.gz and no .zip.')
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, RuntimeError) as error:
        raise OwnerError(
            f'"{archive.name}" cannot be unpacked. {type(error).__name__}: {error}'
        ) from error


def _tar_members(archive: Path, tar: tarfile.TarFile, folder: Path) -> Iterator[_Member]:
    for found in tar:
        if found.isdir():
            continue
        if not found.isreg():
            raise _refusal(archive, found.name, "is a link or a device")
        try:
            tarfile.data_filter(found, str(folder))
        except tarfile.FilterError as error:
            raise _refusal(archive, found.name, f"is not accepted: {error}") from None

        def read(found: tarfile.TarInfo = found) -> IO[bytes]:
            file = tar.extractfile(found)
            if file is None:
                raise tarfile.ExtractError(f"{found.name} has no content")
            return file

        yield _Member(found.name, found.size, read)


def _zip_members(archive: Path, zipped: zipfile.ZipFile) -> Iterator[_Member]:
    for found in zipped.infolist():
        if found.is_dir():
            continue
        kind = stat.S_IFMT(found.external_attr >> 16)  # of Unix; 0 where another system made it
        if kind not in {0, stat.S_IFREG}:
            raise _refusal(archive, found.filename, "is a link or a device")

        def read(found: zipfile.ZipInfo = found) -> IO[bytes]:
            return zipped.open(found)

        yield _Member(found.filename, found.file_size, read)


def _write(archive: Path, members: Iterator[_Member], folder: Path) -> None:
    size = 0
    for count, member in enumerate(members, start=1):
        size += member.size
        if count > MOST_FILES or size > MOST_BYTES:
            raise OwnerError(
                f'"{archive.name}" has more than {MOST_FILES:,} files, or more than '
                f"{MOST_BYTES:,} bytes in them. If that is right, raise the limit in "
                f"service/lifecycle/unpack.py."
            )
        target = (folder / member.name).resolve()
        if not target.is_relative_to(folder.resolve()) or target == folder.resolve():
            raise _refusal(archive, member.name, "would lie outside of the folder")
        if target.exists():
            raise _refusal(archive, member.name, "is there twice")
        target.parent.mkdir(parents=True, exist_ok=True)
        with member.open() as source, target.open("xb") as file:
            shutil.copyfileobj(source, file)
        if target.stat().st_size != member.size:
            raise _refusal(archive, member.name, "is not as long as the archive says")


def _refusal(archive: Path, name: str, why: str) -> OwnerError:
    return OwnerError(
        f'"{archive.name}" was refused: "{name}" {why}. Files and folders are accepted, in '
        f"relative paths."
    )
