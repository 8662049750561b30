"""How large repositories and the template are, against the goals: ``make sizes``.

Ends with status 1 where something is above what holds at present; prints the distance to the goal.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from cookiecutter.generate import is_copy_only_path

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))

from bakes import Bakes, silence, tracked_files
from matrix import COMBINATIONS, CONTEXT, ROOT, SKELETON, Combination, without_ci

PARTS = ROOT / "templates"
BRANCH = re.compile(r"#\{%-? *(?:if|elif|for)\b|\{\{[^}]*? if [^}]*?\}\}|#\{%[^%]*? if [^%]*?%\}#")


class Limit(NamedTuple):
    """What is aimed at, and what is accepted as long as it is above that."""

    goal: int
    present: int = 0

    @property
    def accepted(self) -> int:
        """The largest size that is no error."""
        return max(self)


GOALS: dict[str, dict[str, Limit]] = {
    "predicting in-process": {
        "modules": Limit(goal=50, present=62),
        "lines of source": Limit(goal=5000, present=9308),
        "lines of tests": Limit(goal=2200),
        "modules of yours": Limit(goal=6),
        "lines of yours": Limit(goal=700),
    },
    "generating in-process": {
        "modules": Limit(goal=60, present=67),
        "lines of source": Limit(goal=6200, present=9994),
        "lines of tests": Limit(goal=2800),
        "modules of yours": Limit(goal=6),
        "lines of yours": Limit(goal=700),
    },
    "behind a model server": {
        "modules": Limit(goal=65, present=69),
        "lines of source": Limit(goal=6500, present=10820),
        "lines of tests": Limit(goal=2800),
        "modules of yours": Limit(goal=6),
        "lines of yours": Limit(goal=700),
    },
    "the template": {
        "layers": Limit(goal=30),
        "branches in rendered files": Limit(goal=15),
    },
}
"""Of a repository: source is src, model_server and loadtest; yours is src/model. Raising a limit is
a decision; lowering ``present`` comes with every commit that makes something smaller."""


def lines(paths: list[Path]) -> int:
    """The lines of all *paths*."""
    return sum(path.read_text(encoding="utf-8").count("\n") for path in paths)


def python(repo: Path, *folders: str) -> list[Path]:
    """The modules in *folders* of *repo*."""
    return [path for folder in folders for path in (repo / folder).rglob("*.py")]


def sizes_of(repo: Path) -> dict[str, int]:
    """What is counted in *repo*."""
    source = python(repo, "src", "model_server", "loadtest")
    yours = [path for path in python(repo, "src/model") if path.name != "__init__.py"]
    return {
        "modules": len(source),
        "lines of source": lines(source),
        "lines of tests": lines(python(repo, "tests")),
        "modules of yours": len(yours),
        "lines of yours": lines(yours),
    }


def rendered_names() -> Iterator[str]:
    """The files of the skeleton that cookiecutter renders."""
    for path in tracked_files():
        if not path.is_relative_to(SKELETON.name):
            continue
        name = path.relative_to(SKELETON.name)
        copied = any(
            is_copy_only_path(str(part), {"cookiecutter": CONTEXT})
            for part in (name, *name.parents)
        )
        if not copied:
            yield name.as_posix()


def branches() -> int:
    """How often rendered files and their parts choose by an answer."""
    paths = [SKELETON / name for name in rendered_names()]
    paths += [path for path in PARTS.rglob("*") if path.is_file()]
    return sum(len(BRANCH.findall(path.read_text(encoding="utf-8"))) for path in paths)


def row_of(combination: Combination) -> str:
    """The row of the table that *combination* counts for."""
    if combination["serving"] == "model-server":
        return "behind a model server"
    kind = "generating" if combination["task"] == "text-generation" else "predicting"
    return f"{kind} in-process"


def measure(bakes: Bakes) -> dict[str, dict[str, int]]:
    """For each row of the table, the largest of each size among its repositories."""
    combinations = without_ci(COMBINATIONS)
    repos = bakes.all(combinations)
    found: dict[str, dict[str, int]] = {row: {} for row in GOALS}
    for combination, repo in zip(combinations, repos, strict=True):
        largest = found[row_of(combination)]
        for name, size in sizes_of(repo).items():
            largest[name] = max(size, largest.get(name, 0))
    layers = [path for path in (SKELETON / "layers").iterdir() if path.is_dir()]
    found["the template"] = {"layers": len(layers), "branches in rendered files": branches()}
    return found


def too_large(found: dict[str, dict[str, int]]) -> list[str]:
    """A sentence for each size that is above what holds at present."""
    return [
        f"{row}: {found[row][name]} {name}, and {limit.accepted} are accepted: make it smaller, or "
        "raise the limit in scripts/sizes.py and say why in docs/decisions."
        for row, limits in GOALS.items()
        for name, limit in limits.items()
        if found[row][name] > limit.accepted
    ]


def table(found: dict[str, dict[str, int]]) -> str:
    """All sizes beside their limits."""
    text = [f"{'':50} {'found':>6} {'accepted':>9} {'goal':>6}  distance"]
    for row, limits in GOALS.items():
        for name, limit in limits.items():
            size = found[row][name]
            distance = f"{size - limit.goal:+}" if size > limit.goal else "reached"
            text.append(
                f"{f'{row}: {name}':50} {size:6} {limit.accepted:9} {limit.goal:6}  {distance}"
            )
    return "\n".join(text)


if __name__ == "__main__":
    with TemporaryDirectory() as folder, silence():
        measured = measure(Bakes(Path(folder)))
    print(table(measured))
    sys.exit("\n".join(too_large(measured)) or 0)
