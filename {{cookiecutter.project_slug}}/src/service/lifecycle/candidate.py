"""A trained model that is not exported yet: a folder with weights, facts and an evaluation.

::

    build/candidate/
        candidate.json      facts of the training
        weights.*           what the training found
        ...                 files that the task needs, as a version has them
        evaluation/         metrics.json, MODEL_CARD.md, golden.npz and the task's pictures
"""

import json
import math
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from service.errors import OwnerError
from service.lifecycle.engine import WEIGHTS
from service.lifecycle.source import Source
from service.manifest import sha256
from service.owner import Parameters

FACTS = "candidate.json"
EVALUATION = "evaluation"
METRICS = "metrics.json"
CARD = "MODEL_CARD.md"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Facts(_Record):
    """What is known of a training."""

    task: str
    labels: list[str]
    parameters: Parameters
    source: Source
    data_sha256: str
    train_examples: int
    epochs: int
    seed: int
    seconds: float
    trained_at: str
    made_with: dict[str, str]


class Evaluation(_Record):
    """How good a candidate is on examples that it had not seen."""

    metrics: dict[str, float]
    required: dict[str, float]
    """The least value of each metric that is good enough for an export."""
    held_out_examples: int
    of: dict[str, str]
    """SHA-256 of each file of the candidate that was evaluated."""

    def shortfall(self) -> str:
        """What is below its threshold, in words; empty when nothing is."""
        return ", ".join(
            f"{name} is {self.metrics.get(name, math.nan):.4f}, at least {least:.4f} is required"
            for name, least in self.required.items()
            if not self.metrics.get(name, math.nan) >= least
        )


def files(folder: Path) -> list[str]:
    """Paths of the files that the training wrote, relative to *folder*."""
    names = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    return [name.as_posix() for name in names if name.parts[0] != EVALUATION]


def assets(folder: Path) -> list[str]:
    """Those of the files that a version has as they are."""
    return [name for name in files(folder) if name not in {FACTS, WEIGHTS}]


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each file that the training wrote."""
    return {name: sha256(folder / name) for name in files(folder)}


def refuse_foreign(folder: Path) -> None:
    """Make sure that *folder* may be replaced.

    Raises:
        OwnerError: it holds something that is no candidate.
    """
    if folder.is_dir() and ((folder / FACTS).is_file() or not any(folder.iterdir())):
        return
    if folder.exists():
        raise OwnerError(
            f'"{folder}" is not a candidate, and a training would replace it. Give --candidate a '
            f"folder that is new, empty, or from an earlier training."
        )


def read(folder: Path) -> Facts:
    """The facts of the candidate in *folder*.

    Raises:
        OwnerError: there is none.
    """
    if not (folder / FACTS).is_file() or not (folder / WEIGHTS).is_file():
        raise OwnerError(
            f'"{folder}" has no trained model. Run "python -m service.lifecycle train" first.'
        )
    return _read(Facts, folder / FACTS)


def read_passed(folder: Path) -> Evaluation:
    """The evaluation of the candidate in *folder*, where it may be exported.

    Raises:
        OwnerError: it was not evaluated, is not good enough, or changed since.
    """
    path = folder / EVALUATION / METRICS
    again = 'Run "python -m service.lifecycle evaluate".'
    if not path.is_file():
        raise OwnerError(f'The candidate in "{folder}" was not evaluated. {again}')
    evaluation = _read(Evaluation, path)
    now = digests(folder)
    for name in sorted(now.keys() | evaluation.of.keys()):
        if evaluation.of.get(name) != now.get(name):
            raise OwnerError(f'"{folder / name}" has changed since the evaluation. {again}')
    if shortfall := evaluation.shortfall():
        raise OwnerError(
            f'The candidate in "{folder}" is not good enough for an export: {shortfall}.'
        )
    return evaluation


def write(record: _Record, path: Path) -> None:
    """Write *record* as JSON that people can read."""
    text = json.dumps(record.model_dump(mode="json"), indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


_R = TypeVar("_R", bound=_Record)


def _read(kind: type[_R], path: Path) -> _R:
    try:
        return kind.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole file"
        raise OwnerError(
            f'"{path}" is not what the lifecycle writes: {where}: {first["msg"]}.'
        ) from (None)
