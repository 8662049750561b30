"""The files of a folder, as text and as digests."""

import hashlib
import os
from pathlib import Path


def files(folder: Path) -> list[Path]:
    """All files below *folder*, relative to it, in order."""
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def is_executable(path: Path) -> bool:
    """Whether its owner may run *path*."""
    return bool(path.stat().st_mode & 0o100)


def digests(folder: Path) -> dict[str, tuple[int, str]]:
    """The mode and the SHA-256 of every file below *folder*."""
    return {
        name.as_posix(): (
            (folder / name).stat().st_mode,
            hashlib.sha256((folder / name).read_bytes()).hexdigest(),
        )
        for name in files(folder)
    }


def text_of(path: Path) -> str:
    """The text of *path*, or nothing when it is no text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def empty_folders(folder: Path) -> list[str]:
    """Folders below *folder* that hold nothing, which git would lose."""
    return [where for where, folders, names in os.walk(folder) if not folders and not names]
