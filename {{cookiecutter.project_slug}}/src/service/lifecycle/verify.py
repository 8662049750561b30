"""``verify``: is every file what was exported, and does every artefact answer as the original did?

Each artefact is loaded in a process of its own, which has never seen the original network: there
``python -m service.lifecycle.verify FOLDER FORMAT`` prints the largest difference.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from service.errors import OwnerError
from service.manifest import (
    MANIFEST,
    Artefact,
    Manifest,
    check_files,
    largest_difference,
    read,
    read_golden,
)
from service.numerics import rows

_SOURCE = Path(__file__).parents[2]
_PROCESSES = 2
"""At a time; each holds the model once."""
_DOCUMENTS = {".json", ".md", ".npz", ".png"}


class Check(NamedTuple):
    """An artefact that answers as the original did, but for *difference* at most."""

    format: str
    bytes: int
    difference: float


def verify(folder: Path) -> list[Check]:
    """Check each file of the version in *folder*, and the answers of each artefact."""
    manifest = read(folder)
    check_files(folder, manifest)
    # only: predict
    _check_scores(folder, manifest)
    # end
    with ThreadPoolExecutor(_PROCESSES) as pool:
        return list(pool.map(partial(_check, folder, manifest), manifest.artefacts))


# only: predict
def _check_scores(folder: Path, manifest: Manifest) -> None:
    """Whether the golden scores are what the manifest says of them."""
    scores = read_golden(folder)[1].get(manifest.signature.outputs[0].name)
    if scores is None or not scores.size:
        return
    found = scores.min() >= 0 and abs(scores.sum(axis=-1) - 1).max() < 1e-3  # noqa: PLR2004
    if found != (manifest.scores == "probabilities"):
        raise OwnerError(
            f'"{folder / MANIFEST}" says that "scores" are "{manifest.scores}", and the golden '
            f"ones {'are' if found else 'are not'} probabilities, which add up to 1. Accepted are "
            f'"logits", before a softmax, and "probabilities", of labels of which one is right.'
        )


# end
def table(checks: list[Check]) -> str:
    lines = [("format", "bytes", "largest difference", "")]
    lines += [(c.format, f"{c.bytes:,}", f"{c.difference:.1e}", "ok") for c in checks]
    return "\n".join(f"{a:<12} {b:>12}  {c:>18}  {d}".rstrip() for a, b, c, d in lines)


def _check(folder: Path, manifest: Manifest, artefact: Artefact) -> Check:
    size = _size(folder, manifest, artefact)
    difference = float(in_fresh_process("service.lifecycle.verify", folder, artefact))
    if not difference <= manifest.tolerance:
        raise OwnerError(
            f'The "{artefact.format}" artefact, "{folder / artefact.path}", differs from the '
            f"original network by {difference:.3g}; at most {manifest.tolerance:.3g} is accepted."
        )
    return Check(artefact.format, size, difference)


def _size(folder: Path, manifest: Manifest, artefact: Artefact) -> int:
    """The bytes of all files that are *artefact*; ``OwnerError`` where one has no digest."""
    root = folder / artefact.path
    others = [folder / other.path for other in manifest.artefacts if other != artefact]
    size = 0
    for path in [root] if root.is_file() else sorted(root.rglob("*")):
        if not path.is_file() or path.name == MANIFEST or path in others:
            continue
        name = path.relative_to(folder).as_posix()
        if name not in manifest.files:
            raise OwnerError(f'"{path}" is not in "{folder / MANIFEST}". Remove it.')
        if path == root or path.suffix not in _DOCUMENTS:
            size += manifest.files[name].bytes
    return size


def in_fresh_process(module: str, folder: Path, artefact: Artefact) -> str:
    """The last line of what *module* says of an artefact; ``OwnerError`` where it fails."""
    child = subprocess.run(  # noqa: S603 - our own module, no shell
        [sys.executable, "-P", "-m", module, str(folder), artefact.format],
        env={**os.environ, "PYTHONPATH": str(_SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    if child.returncode != 0:
        lines = child.stderr.strip().splitlines() or [f"exit status {child.returncode}"]
        raise OwnerError(f'The "{artefact.format}" artefact does not load. {lines[-1]}')
    return child.stdout.splitlines()[-1]


def difference_of(folder: Path, format_name: str) -> float:
    """The largest difference over the golden inputs, as one batch and the first one alone."""
    from service import runtime  # noqa: PLC0415 - the framework, which the parent does not need

    manifest = read(folder)
    predict = runtime.load(folder, manifest, manifest.artefact(format_name), threads=1)
    inputs, outputs = read_golden(folder)
    return max(
        largest_difference(rows(outputs, part), predict(rows(inputs, part)))
        for part in (slice(None), slice(1))
    )


if __name__ == "__main__":
    try:
        found = difference_of(Path(sys.argv[1]), sys.argv[2])
    except OwnerError as error:
        sys.exit(str(error))
    sys.stdout.write(f"\n{found}\n")
