"""The tests of repositories that they do not ship, laid over repositories.

``tests/machinery/<feature>[+<feature>]/`` is for repositories with these features, and
``tests/machinery/base/`` is for all.
"""

import shutil
from pathlib import Path

from matrix import AXES, COMBINATIONS, ROOT, Combination, features, without_ci

MACHINERY = ROOT / "tests" / "machinery"
BASE = "base"


def folders_of(row: Combination) -> list[str]:
    """The folders of tests that apply to *row*."""
    chosen = features(row) | {BASE}
    return sorted(each.name for each in MACHINERY.iterdir() if chosen >= set(each.name.split("+")))


KNOW_NO_BACKEND = {
    f"test_{name}.py"
    for name in (
        *("fetch", "key_commands", "loadtest", "manifest"),
        *("monitoring", "smoke", "update", "versions"),
    )
}
"""Modules of the base that are run with the first backend alone, which loads fastest."""
TASKS = ("text-generation", "image-classification")
"""One that generates and one that predicts; each trains fastest of its kind."""
BASES = list(zip(AXES["backend"], TASKS, AXES["serving"], strict=True))
"""Where the base is run: with each backend, kind of task and way of serving."""


def proofs(row: Combination) -> set[tuple[str, str]]:
    """What the tests would show in *row*: of a folder, with a backend."""
    has_base = (row["backend"], row["task"], row["serving"]) in BASES
    names = [name for name in folders_of(row) if name != BASE or has_base]
    return {(name, row["backend"]) for name in names}


def chosen_rows() -> list[tuple[Combination, list[str]]]:
    """As few rows as show all, each with the folders that no earlier one has shown."""
    rows = without_ci(COMBINATIONS)
    missing = {proof for row in rows for proof in proofs(row)}
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
"""The rows to run: each folder once a backend."""


def modules_of(row: Combination, names: list[str]) -> list[str]:
    """The modules of tests to run in *row* from the folders *names*, by their paths there."""
    left_out = KNOW_NO_BACKEND if row["backend"] != AXES["backend"][0] else set()
    return [
        path.relative_to(MACHINERY / name).as_posix()
        for name in names
        for path in sorted((MACHINERY / name).rglob("test_*.py"))
        if name != BASE or path.name not in left_out
    ]


def lay_over(repo: Path, row: Combination) -> list[str]:
    """Put the tests that apply to *row* into *repo*; gives their modules' paths there."""
    laid = []
    for folder in (MACHINERY / name for name in folders_of(row)):
        shutil.copytree(folder, repo, dirs_exist_ok=True)
        laid += [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.py"))]
    return laid
