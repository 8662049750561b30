"""The machinery of a repository, module by module, in repositories that have it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bakes import Bake
from machinery import CHOSEN, MACHINERY, lay_over, modules_of
from matrix import Combination, name_of
from shell import run

pytestmark = pytest.mark.generated


def test_every_folder_of_tests_is_run() -> None:
    assert {name for _, names in CHOSEN for name in names} == {
        each.name for each in MACHINERY.iterdir()
    }


@pytest.mark.parametrize(("row", "names"), CHOSEN, ids=[name_of(row) for row, _ in CHOSEN])
def test_the_machinery_passes_its_tests(
    row: Combination, names: list[str], bake: Bake, backend_env: Callable[[str], Path]
) -> None:
    repo = bake(**row)
    lay_over(repo, row)
    python = backend_env(row["backend"]) / "bin" / "python"

    run(python, "-m", "pytest", "-q", *modules_of(row, names), cwd=repo)
