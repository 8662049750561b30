"""A model version on disk: a folder with artefacts and the ``manifest.json`` that describes them.

The layout is ``models/<name>/<version>/``; versions are whole numbers, as model servers read them.
What is missing or broken is an ``OwnerError``, whose message says what to do.
"""

import hashlib
import json
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from service.errors import OwnerError, first_fault
from service.logs import log

Arrays: TypeAlias = dict[str, npt.NDArray[Any]]
"""Named arrays: of one input without, of a batch with a leading batch axis."""

MANIFEST = "manifest.json"
CURRENT = "current"
"""File beside the versions: the number of the one that is to answer."""
GOLDEN = "golden.npz"


def _inside(path: str) -> str:
    if Path(path).is_absolute() or ".." in Path(path).parts:
        raise ValueError(f"{path!r} is not a path inside the version's folder")
    return path


RelativePath: TypeAlias = Annotated[str, AfterValidator(_inside)]


class Record(BaseModel):
    """What is written as JSON; a name that it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    @classmethod
    def read_from(cls, path: Path, kind: str) -> Self:
        """The record in *path*; *kind* names it where the file is another."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise OwnerError(f'"{path}" is missing. Run "make model" to make it.') from None
        except OSError as error:
            raise OwnerError(f'"{path}" cannot be read: {error.strerror}.') from None
        except ValidationError as error:
            raise OwnerError(f'"{path}" is not {kind}: {first_fault(error)}.') from None

    def write_to(self, path: Path) -> None:
        text = json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False)
        written = path.with_name(f".{path.name}")  # whole, or what was there before
        written.write_text(text + "\n", encoding="utf-8")
        written.replace(path)


class Tensor(Record):
    """One named input or output of the model."""

    name: str
    dtype: Literal["float32", "int32", "int64"]
    shape: tuple[int | None, ...]
    """``None`` is an axis of any length; the first is the batch."""


class Signature(Record):
    """What goes into the model and what comes out, in order."""

    inputs: list[Tensor]
    outputs: list[Tensor]


class Artefact(Record):
    """The model in one format."""

    format: str
    path: RelativePath
    """A file, or a folder for formats that are folders."""


class FileDigest(Record):
    """What a file must be, to the byte."""

    bytes: int
    sha256: str


class ModelVersion(Record):
    """Which model answered."""

    name: str
    version: int


class Manifest(Record):
    """All that is known of one model version."""

    schema_version: Literal[1] = 1
    name: str
    version: int = Field(ge=1)
    task: str
    labels: list[str]
    parameters: dict[str, Any]
    """What the task needs to turn a request into arrays, as its own module types it."""
    signature: Signature
    # only: predict
    scores: Literal["logits", "probabilities"] = "logits"
    """What the first output is: softmax is still to be applied, or was. One label is right, so the
    scores of a model that judges each label by itself, or of a regression, are refused."""
    # end
    artefacts: list[Artefact] = Field(min_length=1)
    """The first is served unless MODEL_FORMAT names another."""
    metrics: dict[str, float]
    milliseconds: dict[str, float] = {}
    """Of one input, by format, where the formats were measured in a process of the service's."""
    measured_on: str = ""
    tolerance: float = Field(gt=0)
    """Largest difference between an artefact's golden outputs and the original's."""
    created_at: str
    made_with: dict[str, str]
    starter: bool = False
    """Trained on nothing but the examples that the repository came with; see ``model/data.py``."""
    files: dict[RelativePath, FileDigest]

    @property
    def model_version(self) -> ModelVersion:
        return ModelVersion(name=self.name, version=self.version)

    def artefact(self, format_name: str | None) -> Artefact:
        """The artefact in *format_name*, or the first when no format is named."""
        known = {artefact.format: artefact for artefact in self.artefacts}
        name = format_name or self.artefacts[0].format
        if name not in known:
            raise OwnerError(
                f"MODEL_FORMAT is {name!r}, which version {self.version} of the model does not "
                f"have. It has: {', '.join(known)}."
            )
        return known[name]


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests(folder: Path) -> dict[str, FileDigest]:
    """The digest of every file below *folder*, but for the manifest itself."""
    return {
        path.relative_to(folder).as_posix(): FileDigest(
            bytes=path.stat().st_size, sha256=sha256(path)
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / MANIFEST
    }


def versions(model_dir: Path) -> list[int]:
    """The versions that lie in *model_dir*, oldest first; none when there is no such folder."""
    found = [path.parent.name for path in model_dir.glob(f"*/{MANIFEST}")]
    return sorted(int(name) for name in found if _is_number(name))


def next_version(model_dir: Path) -> int:
    """One more than the newest version in *model_dir*, be it whole or not."""
    names = [path.name for path in model_dir.glob("*")]
    return 1 + max((int(name) for name in names if _is_number(name)), default=0)


def _is_number(text: str) -> bool:
    """As a version is written: 7, and not 007."""
    return re.fullmatch("[1-9][0-9]*", text) is not None


def chosen_version(model_dir: Path) -> int | None:
    """The version that :func:`choose` chose in *model_dir*; ``None`` when none was."""
    path = model_dir / CURRENT
    try:
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise OwnerError(f'"{path}" cannot be read: {error}.') from None
    if not _is_number(text):
        raise OwnerError(
            f'"{path}" says {text[:100]!r}, where the number of a version is accepted. Run '
            f'"make use VERSION=N", or remove the file to serve the newest.'
        )
    return int(text)


def choose(model_dir: Path, version: int) -> None:
    """Let services that read *model_dir* answer with *version* from now on."""
    find_version(model_dir, version, "VERSION")
    path = model_dir / CURRENT
    written = path.with_name(f".{CURRENT}-{version}")
    written.write_text(f"{version}\n", encoding="utf-8")
    written.replace(path)  # at once: a service that reads meanwhile finds the one or the other


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """An empty folder that becomes *target* when the block ends; if it raises, *target* stays."""
    mark = uuid.uuid4().hex[:8]  # both lie beside it: a rename does not cross file systems
    staging = target.with_name(f".staging-{target.name}-{mark}")
    former = target.with_name(f".former-{target.name}-{mark}")
    staging.mkdir(parents=True)
    try:
        yield staging
        if target.exists():
            target.rename(former)
        staging.rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if former.exists() and not target.exists():
            former.rename(target)
        shutil.rmtree(former, ignore_errors=True)


def find_version(model_dir: Path, version: int | None, name: str = "MODEL_VERSION") -> Path:
    """The folder of *version*; when it is ``None``, of the chosen one, or of the newest.

    ``OwnerError`` where it is not there, or its manifest has another number; *name* says *version*.
    """
    found = versions(model_dir)
    if not found:
        raise OwnerError(
            f'MODEL_DIR is "{model_dir}", which has no model version. Run "make model", or set '
            f'MODEL_DIR to a folder that "make model" wrote.'
        )
    wanted = version or chosen_version(model_dir) or found[-1]
    if wanted not in found:
        listed = ", ".join(map(str, found))
        said_by = f"{name} is" if version else f'"{model_dir / CURRENT}" says'
        raise OwnerError(
            f'{said_by} {wanted}, which "{model_dir}" does not have. It has: {listed}.'
        )
    folder = model_dir / str(wanted)
    if (said := read(folder).version) != wanted:
        raise OwnerError(
            f'"{folder}" is version {said} by its {MANIFEST}, and {wanted} by its name: it was '
            f'copied or renamed. Name it "{said}", or remove it and run '
            f'"make model MODEL_FROM=..." with what it is a copy of.'
        )
    return folder


def read(folder: Path) -> Manifest:
    return Manifest.read_from(folder / MANIFEST, "a manifest")


def write(manifest: Manifest, folder: Path) -> None:
    manifest.write_to(folder / MANIFEST)


def check_files(folder: Path, manifest: Manifest, below: str = "") -> None:
    """Compare a version's files with their digests: all, or what is *below* one path.

    ``OwnerError`` where one is missing or is not, to the byte, what was exported.
    """
    for name, expected in manifest.files.items():
        if below not in {"", "."} and name != below and not name.startswith(f"{below}/"):
            continue
        path = folder / name
        if not path.is_file():
            fault = "is missing"
        elif (size := path.stat().st_size) != expected.bytes:
            fault = f"has {size} bytes, its manifest says {expected.bytes}. It was truncated"
        elif sha256(path) != expected.sha256:
            fault = "does not have the sha256 that its manifest says. It was changed"
        else:
            continue
        raise OwnerError(f'"{path}" {fault}. Restore it, or run "make model".')


def read_golden(folder: Path) -> tuple[Arrays, Arrays]:
    """The golden inputs and the original model's outputs for them, each a batch."""
    with np.load(folder / GOLDEN, allow_pickle=False) as golden:
        inputs = {key[3:]: golden[key] for key in golden.files if key.startswith("in:")}
        outputs = {key[4:]: golden[key] for key in golden.files if key.startswith("out:")}
    return inputs, outputs


def write_golden(folder: Path, inputs: Arrays, outputs: Arrays) -> None:
    named = {f"in:{name}": array for name, array in inputs.items()}
    named |= {f"out:{name}": array for name, array in outputs.items()}
    np.savez_compressed(folder / GOLDEN, **named)  # type: ignore[arg-type]  # numpy types only positional arrays


def largest_difference(expected: Arrays, found: Arrays) -> float:
    """The largest absolute difference between two batches; infinite when they do not compare."""
    if expected.keys() != found.keys():
        return float("inf")
    worst = 0.0
    for name, array in expected.items():
        other = found[name]
        if other.shape != array.shape or not np.isfinite(other).all():
            return float("inf")
        difference = np.abs(array.astype(np.float64) - other.astype(np.float64))
        worst = max(worst, float(difference.max(initial=0)))
    return worst


def check_golden(
    folder: Path, manifest: Manifest, artefact: Artefact, predict: Callable[[Arrays], Arrays]
) -> None:
    """Run the golden inputs: the first run of a loaded model, and a proof that it is the same.

    ``OwnerError`` where the outputs differ by more than the manifest's tolerance.
    """
    inputs, expected = read_golden(folder)
    difference = largest_difference(expected, predict(inputs))
    if difference > manifest.tolerance:
        raise OwnerError(
            f'"{folder / artefact.path}" differs from the exported model by {difference} '
            f"on its golden inputs; at most {manifest.tolerance} is accepted. Export it again "
            f'on this kind of machine with "make model".'
        )
    log.info("model_loaded", format=artefact.format, largest_difference=difference)
