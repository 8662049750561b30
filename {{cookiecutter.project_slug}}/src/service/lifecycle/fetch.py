"""``fetch``: a model version that was made elsewhere takes its place beside the others.

It is a folder, or an archive at an address: of one version, or of a model with its versions, of
which the chosen one is taken, or the newest. Nothing is replaced. Where the version is there
already, under whatever number, there is nothing to do; where another has its number, it gets the
next one.
"""

import re
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, NamedTuple

from pydantic import ValidationError

from service import manifest as manifests
from service.errors import OwnerError
from service.lifecycle.export import next_version
from service.lifecycle.staging import staged
from service.lifecycle.unpack import MOST_BYTES, unpack
from service.lifecycle.verify import Check, verify
from service.manifest import MANIFEST, Manifest
from service.owner import NAME, Parameters

TIMEOUT_SECONDS = 60
"""In which a server must send something."""
CHUNK_BYTES = 1024 * 1024
_ACCEPTED = "A folder is accepted, or a .tar.gz or .zip at http://, https:// or file://."


class Fetched(NamedTuple):
    """Where a version is now.

    Args:
        folder: the version's.
        checks: what the verification found; none where it was there already.
        theirs: the number that it had where it comes from.
    """

    folder: Path
    checks: list[Check]
    theirs: int


def fetch(origin: str, model_dir: Path, sha256: str | None = None) -> Fetched:
    """Put the version at *origin* into *model_dir*.

    Args:
        origin: a folder, or the address of an archive.
        model_dir: has one folder per version.
        sha256: of the archive, in hexadecimal; not compared when ``None``.

    Raises:
        OwnerError: it is not there, is not what *sha256* says, is for another task, or does not
            pass the verification. *model_dir* is then as it was.
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
            version = next_version(model_dir)
        target = model_dir / str(version)
        with staged(target) as staging:
            for name in facts.files:
                path = source / name
                if not path.is_file():
                    continue  # the verification says so
                (staging / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, staging / name)
            place = {"name": model_dir.resolve().name, "version": version}
            manifests.write(facts.model_copy(update=place), staging)
            checks = verify(staging)
            if target.exists():
                raise OwnerError(f'"{target}" was written meanwhile. Fetch again.')
    return Fetched(target, checks, facts.version)


@contextmanager
def _obtained(origin: str, beside: Path, sha256: str | None) -> Iterator[Path]:
    """The folder that *origin* is, or has been unpacked to until the block ends."""
    if sha256 and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise OwnerError(
            f"The SHA-256 of the model is {sha256!r}; 64 hexadecimal digits are accepted."
        )
    if Path(origin).is_dir():
        if sha256:
            raise OwnerError(
                f'"{origin}" is a folder, which has no SHA-256. Leave it out, or give an archive.'
            )
        yield Path(origin)
        return
    scheme = urllib.parse.urlsplit(origin).scheme
    if scheme not in {"http", "https", "file"}:
        raise OwnerError(f"The model is to come from {origin!r}, which is not there. {_ACCEPTED}")
    # beside the models, on a disk with enough space
    with TemporaryDirectory(dir=beside, prefix=".fetched-") as scratch:
        archive = Path(scratch) / (Path(urllib.parse.urlsplit(origin).path).name or "model")
        _download(origin, archive)
        found = manifests.sha256(archive)
        if sha256 and found != sha256.lower():
            raise OwnerError(
                f"What lies at {_public(origin)} has the SHA-256 {found}, not {sha256.lower()}. "
                f"It is another model, or was changed."
            )
        folder = Path(scratch) / "unpacked" / "model"
        folder.mkdir(parents=True)
        unpack(archive, folder)
        yield folder


def _download(address: str, path: Path) -> None:
    try:
        with (
            urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as response,  # noqa: S310 - the caller checks the scheme
            path.open("wb") as file,
        ):
            _copy(response, file, address)
    except urllib.error.HTTPError as error:
        error.close()
        raise OwnerError(f"{_public(address)} cannot be read: {error}. {_ACCEPTED}") from None
    except (OSError, HTTPException, ValueError) as error:
        raise OwnerError(f"{_public(address)} cannot be read: {error}. {_ACCEPTED}") from None


def _copy(response: IO[bytes], file: IO[bytes], address: str) -> None:
    size = 0
    while chunk := response.read(CHUNK_BYTES):
        size += len(chunk)
        if size > MOST_BYTES:
            raise OwnerError(f"{_public(address)} has more than {MOST_BYTES:,} bytes.")
        file.write(chunk)


def _public(address: str) -> str:
    """*address* without what may be a secret: the user's name, a signature in the query."""
    parts = urllib.parse.urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    return urllib.parse.urlunsplit((parts.scheme, host, parts.path, "", ""))


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
                f"{_public(origin)} has no model version, which is a folder with a {MANIFEST}. "
                f'"make model" writes such folders.'
            )
        folder = inner[0]


def _refuse_another_task(facts: Manifest, origin: str) -> None:
    if facts.task != NAME:
        raise OwnerError(
            f"The model at {_public(origin)} is for {facts.task}; this service does {NAME}."
        )
    try:
        Parameters.model_validate(facts.parameters)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise OwnerError(
            f"The model at {_public(origin)} has parameters that this service does not read: "
            f"{where}: {first['msg']}."
        ) from None


def _is_same(one: Manifest, other: Manifest) -> bool:
    """Whether both are one model, but for the number and the name that it goes by."""
    apart = {"name", "version"}
    return one.model_dump(exclude=apart) == other.model_dump(exclude=apart)
