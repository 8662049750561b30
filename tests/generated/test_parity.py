"""Whatever the web framework, and wherever the model runs, the answers are the same to the byte."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bakes import Bake
from matrix import COMBINATIONS, ROOT, Combination, name_of, without_ci
from service import clean_environ

PROBE = ROOT / "tests" / "tools" / "probe.py"
pytestmark = pytest.mark.generated


ONE_CONTRACT = ("framework", "serving")
"""The questions whose answers a caller must not notice."""


def alike() -> list[list[Combination]]:
    """The combinations, put together where no caller must notice a difference."""
    groups: dict[str, list[Combination]] = {}
    for each in without_ci(COMBINATIONS):
        rest = {
            question: answer for question, answer in each.items() if question not in ONE_CONTRACT
        }
        groups.setdefault(name_of(rest), []).append(each)
    if os.environ.get("ALL_COMBINATIONS") == "1":
        return list(groups.values())
    return [[each for each in group if differing(each, group[0]) <= 1] for group in groups.values()]


def differing(one: Combination, other: Combination) -> int:
    """How many answers differ."""
    return sum(one[question] != other[question] for question in ONE_CONTRACT)


def answers_of(repo: Path, python: Path) -> dict[str, Any]:
    """What the application in *repo* answers to the probe's requests."""
    path = os.pathsep.join([str(repo / "src"), str(repo / "tests")])
    said = subprocess.check_output(
        [python, str(PROBE)], cwd=repo, env=clean_environ() | {"PYTHONPATH": path}, text=True
    )
    lines = [line for line in said.splitlines() if line.startswith("[")]
    return dict(json.loads(line) for line in lines)


@pytest.mark.parametrize("group", alike(), ids=lambda group: name_of(group[0]))
def test_every_framework_and_serving_gives_the_same_answers(
    group: list[Combination],
    bake: Bake,
    backend_env: Callable[[str], Path],
) -> None:
    python = backend_env(group[0]["backend"]) / "bin" / "python"
    first, *others = [answers_of(bake(**each), python) for each in group]

    assert others
    assert len(first) > 100
    for answers in others:
        differing = {about for about in first if first[about] != answers[about]}
        # The description names the errors that only a model server can bring.
        differing -= {about for about in differing if "/openapi.json" in about}
        assert differing == set(), [(first[about], answers[about]) for about in differing][:3]
    assert {each["status"] for each in first.values()} >= {200, 400, 404, 405, 415, 422, 500}
