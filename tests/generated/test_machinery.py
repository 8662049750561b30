"""The machinery of a repository, module by module, in repositories that have it.

``machinery/<feature>[+<feature>]/`` holds what repositories with these features are tested by here
and do not ship; ``machinery/base/`` is for all. Each is run once a backend, the base once a backend
and way of serving.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bakes import Bake
from matrix import COMBINATIONS, ROOT, Combination, features, name_of, without_ci
from shell import run

pytestmark = pytest.mark.generated
MACHINERY = ROOT / "tests" / "machinery"
BASE = "base"


def folders_of(row: Combination) -> list[str]:
    """The folders of tests that apply to *row*."""
    chosen = features(row) | {BASE}
    return sorted(each.name for each in MACHINERY.iterdir() if chosen >= set(each.name.split("+")))


def proofs(row: Combination) -> set[tuple[str, ...]]:
    """What the tests would show in *row*: of a folder, with a backend."""
    shown: set[tuple[str, ...]] = {(name, row["backend"]) for name in folders_of(row)}
    return shown | {(BASE, row["backend"], row["serving"])}


def chosen_rows() -> list[tuple[Combination, list[str]]]:
    """As few rows as show all, each with the folders that no earlier one has shown."""
    rows = without_ci(COMBINATIONS)
    missing = set().union(*map(proofs, rows))
    chosen: list[tuple[Combination, list[str]]] = []
    while missing:
        used = [row["framework"] for row, _ in chosen]
        best = max(
            rows, key=lambda row: (len(proofs(row) & missing), -used.count(row["framework"]))
        )
        names = {proof[0] for proof in proofs(best) & missing}
        chosen.append((best, sorted(names)))
        missing -= proofs(best)
    return chosen


CHOSEN = chosen_rows()


def test_every_folder_of_tests_is_run() -> None:
    assert {name for _, names in CHOSEN for name in names} == {
        each.name for each in MACHINERY.iterdir()
    }


@pytest.mark.parametrize(("row", "names"), CHOSEN, ids=[name_of(row) for row, _ in CHOSEN])
def test_the_machinery_passes_its_tests(
    row: Combination, names: list[str], bake: Bake, backend_env: Callable[[str], Path]
) -> None:
    repo = bake(**row)
    for name in folders_of(row):
        shutil.copytree(MACHINERY / name, repo, dirs_exist_ok=True)
    tests = [
        path.relative_to(MACHINERY / name)
        for name in names
        for path in sorted((MACHINERY / name).rglob("test_*.py"))
    ]

    run(backend_env(row["backend"]) / "bin" / "python", "-m", "pytest", "-q", *tests, cwd=repo)
