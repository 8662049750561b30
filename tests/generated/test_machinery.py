"""The machinery of a repository, module by module, in repositories that have it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bakes import Bake
from machinery import BASE, CHOSEN, MACHINERY, lay_over, modules_of
from matrix import ROWS, Combination, name_of, starter_name
from shell import run

pytestmark = pytest.mark.generated


MADE = {starter_name(row) for row in ROWS}
"""Starters that are made anyway; elsewhere the tests train a model of their own."""


def test_every_folder_of_tests_is_run() -> None:
    assert {name for _, names in CHOSEN for name in names} == {
        each.name for each in MACHINERY.iterdir()
    }


@pytest.mark.parametrize(("row", "names"), CHOSEN, ids=[name_of(row) for row, _ in CHOSEN])
def test_the_machinery_passes_its_tests(
    row: Combination,
    names: list[str],
    bake: Bake,
    backend_env: Callable[[str], Path],
    starter: Callable[[Combination], Path],
) -> None:
    repo = bake(**row)
    lay_over(repo, row)
    python = backend_env(row["backend"]) / "bin" / "python"

    environ = {} if BASE in names else {"LEARN_EVERY": "30"}
    if starter_name(row) in MADE:
        environ = {"STARTER": str(starter(row).parent)}

    run(python, "-m", "pytest", "-q", *modules_of(row, names), cwd=repo, **environ)
