"""Each CI system calls the same targets of the Makefile, which are there."""

import pytest

from bakes import Baked
from matrix import AXES, CHOICES, COMBINATIONS, executed
from pipelines import EVENTS, pythons, targets


@pytest.mark.parametrize("event", EVENTS)
def test_all_systems_call_the_same_targets_in_the_same_order(event: str, baked: Baked) -> None:
    found = {ci: targets(baked(executed(ci)), ci, event) for ci in AXES["ci"]}

    first = found["github-actions"]
    assert all(each == first for each in found.values()), found
    names = [target for _, target in first]
    assert names[:1] == ["check"]
    assert ("push" in names) == ("deploy" in names) == (event == "push")


@pytest.mark.parametrize("ci", AXES["ci"])
def test_every_target_is_there(ci: str, baked: Baked) -> None:
    for answers in COMBINATIONS:
        if answers["ci"] == ci:
            makefile = (baked(answers) / "Makefile").read_text(encoding="utf-8")
            for _, target in targets(baked(answers), ci, "push"):
                assert f"\n{target}:" in makefile, target


@pytest.mark.parametrize("ci", AXES["ci"])
def test_the_check_runs_with_every_python_that_is_offered(ci: str, baked: Baked) -> None:
    assert pythons(baked(executed(ci)), ci) == CHOICES["python_version"]
