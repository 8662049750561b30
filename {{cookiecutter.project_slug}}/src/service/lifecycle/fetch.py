"""``fetch``: a model version that was made elsewhere takes its place beside the others.

It is a folder, or an archive at an address: of one version, or of a model with its versions, of
which the chosen one is taken, or the newest. Nothing is replaced. Where the version is there
already, under whatever number, there is nothing to do; where another has its number, it gets the
next one.
"""

import re
import shutil
import stat
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.client import HTTPException
from importlib import import_module
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO, Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import ValidationError

from service import manifest as manifests
from service.errors import OwnerError, first_fault
from service.lifecycle.verify import Check, verify
from service.manifest import MANIFEST, Manifest, staged
from service.owner import NAME, Parameters

TIMEOUT_SECONDS = 60
"""In which a server must send something."""
CHUNK_BYTES = 1024 * 1024
MOST_FILES = 10_000
MOST_BYTES = 32 * 1024**3
"""Of an archive, and of all files in it together."""
_MOST_POINTER_BYTES = 1024

STORES = {"s3": "s3fs", "gs": "gcsfs", "hf": "huggingface_hub"}
"""Scheme to the package with which fsspec reads it; installed by who needs it."""
_ACCEPTED = (
    "A folder is accepted, or a .tar.gz or .zip: a file, or at http://, https://, file://, s3://, "
    "gs:// or hf://."
)


class Fetched(NamedTuple):
    """Where a version is now, and the number that it had; no *checks* if it was there already."""

    folder: Path
    checks: list[Check]
    theirs: int


def fetch(origin: str, model_dir: Path, sha256: str | None = None) -> Fetched:
    """Put the version at *origin*, a folder or the address of an archive, into *model_dir*.

    ``OwnerError`` leaves *model_dir* as it was.
    """
    model_dir.parent.mkdir(parents=True, exist_ok=True)
    with _obtained(origin, model_dir.parent, sha256) as found:
        source = _version_in(found, origin)
        facts = manifests.read(source)
        _refuse_another_task(facts, origin)
        for known in manifests.versions(model_dir):
            if _is_same(manifests.read(model_dir / str(known)), facts):
                return Fetched(model_dir / str(known), [], facts.version)
        version = facts.version
        if (model_dir / str(version)).exists():
            version = manifests.next_version(model_dir)
        target = model_dir / str(version)
        with staged(target) as staging:
            for name in facts.files:
                if (source / name).is_file():  # if not, the verification says so
                    (staging / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(source / name, staging / name)
            place = {"name": model_dir.resolve().name, "version": version}
            manifests.write(facts.model_copy(update=place), staging)
            checks = verify(staging)
            if target.exists():
                raise OwnerError(f'"{target}" was written meanwhile. Fetch again.')
    return Fetched(target, checks, facts.version)


@contextmanager
def _obtained(origin: str, beside: Path, sha256: str | None) -> Iterator[Path]:
    """The folder that *origin* is, or has been unpacked to until the block ends."""
    if Path(origin).is_dir():
        if sha256:
            raise OwnerError(
                f'"{origin}" is a folder, which has no SHA-256. Leave it out, or give an archive.'
            )
        _refuse_pointers(Path(origin))
        yield Path(origin)
        return
    with downloaded(origin, beside, sha256) as archive:
        folder = archive.parent / "unpacked" / "model"
        folder.mkdir(parents=True)
        unpack(archive, folder)
        yield folder


def _refuse_pointers(folder: Path) -> None:
    """Refuse a folder of a repository whose large files Git LFS has not brought yet."""
    for path in folder.rglob("*"):
        is_small = path.is_file() and path.stat().st_size < _MOST_POINTER_BYTES
        if is_small and path.read_bytes().startswith(b"version https://git-lfs."):
            raise OwnerError(
                f'"{path}" is what Git LFS puts in the place of a file. Run "git lfs install" '
                f'and "git lfs pull"; in CI, let the checkout do so.'
            )


@contextmanager
def downloaded(origin: str, beside: Path, sha256: str | None) -> Iterator[Path]:
    """A copy of the file at *origin*, a path or an address, below *beside* until the block ends."""
    if sha256 and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise OwnerError(
            f"The SHA-256 of the model is {sha256!r}; 64 hexadecimal digits are accepted."
        )
    beside.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=beside, prefix=".fetched-") as scratch:
        path = Path(scratch) / (Path(urlsplit(origin).path).name or "model")
        _download(origin, path)
        found = manifests.sha256(path)
        if sha256 and found != sha256.lower():
            raise OwnerError(
                f'What lies at "{origin}" has the SHA-256 {found}, not {sha256.lower()}. '
                f"It is another model, or was changed."
            )
        yield path


def _download(address: str, path: Path) -> None:
    try:
        with _opened(address) as source, path.open("wb") as file:
            while chunk := source.read(CHUNK_BYTES):
                file.write(chunk)
                if file.tell() > MOST_BYTES:
                    raise OwnerError(f'"{address}" has more than {MOST_BYTES:,} bytes.')
    except OwnerError:
        raise
    except Exception as error:  # noqa: BLE001 - each store's client raises its own
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        known = isinstance(error, OSError | HTTPException | ValueError)
        said = getattr(error, "strerror", None) or str(error)
        said = said if known else f"{type(error).__name__}: {said}"
        raise OwnerError(f'"{address}" cannot be read: {said}. {_ACCEPTED}') from None


def _opened(address: str) -> AbstractContextManager[IO[bytes]]:
    scheme = urlsplit(address).scheme
    if not scheme:
        return Path(address).open("rb")
    if scheme in {"http", "https", "file"}:
        return urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS)  # type: ignore[no-any-return]  # noqa: S310 - one of these schemes
    if scheme not in STORES:
        raise OwnerError(f'The model is to come from "{address}". {_ACCEPTED}')
    try:
        import_module(STORES[scheme])
        fsspec: Any = import_module("fsspec")
    except ImportError as error:
        raise OwnerError(
            f"{scheme}:// needs {error.name}, which is not installed. Run "
            f'"uv pip install fsspec {STORES[scheme]}", and call again.'
        ) from None
    opened: AbstractContextManager[IO[bytes]] = fsspec.open(address, "rb")
    return opened


class _Member(NamedTuple):
    """Of an archive; what is neither a file nor a folder is not accepted."""

    name: str
    size: int
    is_accepted: bool
    is_folder: bool


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a ``.tar.gz`` or ``.zip`` into *folder*; ``OwnerError`` where that is unsafe."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped:
                _refuse_unsafe(archive, map(_zip_member, zipped.infolist()))
                zipped.extractall(folder)  # noqa: S202 - refused above where it is unsafe
        elif tarfile.is_tarfile(archive):
            with tarfile.open(archive) as tar:
                _refuse_unsafe(archive, map(_tar_member, tar))
                tar.extractall(folder, filter="data")
        else:
            raise OwnerError(f'"{archive.name}" is no .tar.gz and no .zip.')
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, RuntimeError) as error:
        raise OwnerError(
            f'"{archive.name}" cannot be unpacked. {type(error).__name__}: {error}'
        ) from error


def _zip_member(found: zipfile.ZipInfo) -> _Member:
    kind = stat.S_IFMT(found.external_attr >> 16)  # of Unix; 0 where another system made it
    is_accepted = kind in {0, stat.S_IFREG, stat.S_IFDIR}
    return _Member(found.filename, found.file_size, is_accepted, found.is_dir())


def _tar_member(found: tarfile.TarInfo) -> _Member:
    return _Member(found.name, found.size, found.isreg() or found.isdir(), found.isdir())


def _refuse_unsafe(archive: Path, members: Iterable[_Member]) -> None:
    """Refuse an archive by its members, before one is written."""
    names: set[PurePosixPath] = set()
    size = 0
    for count, member in enumerate(members, start=1):
        size += member.size
        path = PurePosixPath(member.name)
        if count > MOST_FILES or size > MOST_BYTES:
            raise OwnerError(
                f'"{archive.name}" has more than {MOST_FILES:,} files, or more than '
                f"{MOST_BYTES:,} bytes in them. If that is right, raise the limit in "
                f"service/lifecycle/fetch.py."
            )
        if not member.is_accepted:
            fault = "is a link or a device"
        elif path.is_absolute() or ".." in path.parts:
            fault = "would lie outside of the folder"
        elif path in names and not member.is_folder:
            fault = "is there twice"
        else:
            names.add(path)
            continue
        raise OwnerError(
            f'"{archive.name}" was refused: "{member.name}" {fault}. Files and folders are '
            f"accepted, in relative paths."
        )


def _version_in(folder: Path, origin: str) -> Path:
    """The version's folder in *folder*, which may be one itself or hold a single other folder."""
    while True:
        if (folder / MANIFEST).is_file():
            return folder
        if manifests.versions(folder):
            return manifests.find_version(folder, None)
        inner = [path for path in folder.iterdir() if path.name[0] != "."]
        if len(inner) != 1 or not inner[0].is_dir():
            raise OwnerError(
                f'"{origin}" has no model version, which is a folder with a {MANIFEST}. '
                f'"make model" writes such folders.'
            )
        folder = inner[0]


def _refuse_another_task(facts: Manifest, origin: str) -> None:
    if facts.task != NAME:
        raise OwnerError(f'The model at "{origin}" is for {facts.task}; this service does {NAME}.')
    try:
        Parameters.model_validate(facts.parameters)
    except ValidationError as error:
        raise OwnerError(
            f'The model at "{origin}" has parameters that this service does not read: '
            f"{first_fault(error)}."
        ) from None


def _is_same(one: Manifest, other: Manifest) -> bool:
    """Whether both are one model, but for its number and name, and for what was measured here."""
    apart = {"name", "version", "artefacts", "milliseconds", "measured_on"}
    return one.model_dump(exclude=apart) == other.model_dump(exclude=apart)
