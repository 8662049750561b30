"""The table of what a service stands."""

import pytest

from matrix import ROOT
from reliability import faults

TESTS = sorted({test for _, tests in faults() for test in tests})


def test_every_fault_has_a_test() -> None:
    assert all(tests for _, tests in faults())


@pytest.mark.parametrize("named", TESTS)
def test_every_test_that_the_table_names_is_there(named: str) -> None:
    path, _, name = named.partition("::")
    folder = "{{cookiecutter.project_slug}}/tests" if path.startswith("contract/") else "tests"
    text = (ROOT / folder / path).read_text(encoding="utf-8")

    assert f"def {name}" in text
