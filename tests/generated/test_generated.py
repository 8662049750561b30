"""Generated repositories do what they promise, by their own commands."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bakes import Bake
from matrix import EXECUTED, IMAGED, ROWS, TRAINING, Combination, executed, name_of
from model_server import model_server
from mypy_cache import libraries_known
from service import clean_environ, running
from shell import commit, git, make

pytestmark = pytest.mark.generated
CHECKED = SERVED = ROWS
WHOLLY = {(row["backend"], row["serving"]): row for row in reversed(ROWS)}
"""In which row all of ``make check`` is run, for each backend and way of serving."""
if os.environ.get("REQUIRE_DOCKER") == "1":
    # The others are checked by their pipelines, and served from their images.
    CHECKED = [row for row in ROWS if tuple(row.values())[:-1] not in EXECUTED.values()]
    SERVED = [row for row in ROWS if row not in IMAGED] or ROWS
    WHOLLY = {(row["backend"], row["serving"]): row for row in reversed(CHECKED)}
    WHOLLY.pop((executed(TRAINING)["backend"], executed(TRAINING)["serving"]), None)


def as_git_repository(repo: Path) -> Callable[[], str]:
    """Make a commit of *repo*; gives a function that tells what has changed since."""
    commit(repo, "first")
    return lambda: git(repo, "status", "--porcelain")


@pytest.mark.parametrize("answers", CHECKED, ids=name_of)
def test_the_own_checks_pass_and_make_format_changes_nothing(
    answers: Combination,
    bake: Bake,
    backend_env: Callable[[str], Path],
    installed: Callable[[Combination], list[str]],
) -> None:
    repo = bake(**answers)
    changes = as_git_repository(repo)

    if answers in WHOLLY.values() or os.environ.get("ALL_COMBINATIONS") == "1":
        with libraries_known(backend_env(answers["backend"]), repo) as known:
            make(repo, "check", *installed(answers), **known)
    else:  # what is checked beside the tests, test_quality.py shows in the same rows
        make(repo, "test", *installed(answers))
    make(repo, "format", *installed(answers))

    assert changes() == ""


@pytest.mark.parametrize("answers", SERVED, ids=name_of)
def test_the_starter_model_is_made_and_served_and_answers_every_example(
    answers: Combination,
    bake: Bake,
    installed: Callable[[Combination], list[str]],
    starter: Callable[[Combination], Path],
    tmp_path: Path,
) -> None:
    repo = bake(**answers)
    changes = as_git_repository(repo)
    shutil.copytree(starter(answers), repo / "models")
    examples = {path.name for path in repo.glob("examples/*")} - {"expected.json", "request.sh"}
    expected = json.loads((repo / "examples" / "expected.json").read_text(encoding="utf-8"))

    make(repo, "verify", *installed(answers))
    with (
        model_server(repo, answers, installed(answers), tmp_path) as told,
        running(repo, clean_environ() | told, tmp_path / "log", installed(answers)) as service,
    ):
        service.wait_until_ready()
        smoke = make(repo, "smoke", f"URL={service.url}", f"PYTHON={sys.executable}")
        for route, questions in expected.items():
            for name, fields in questions.items():
                answer = service.ask(route, repo / "examples" / name)
                assert fields.keys() <= answer.keys()
        request = ["sh", "examples/request.sh", service.url]
        said = subprocess.check_output(request, cwd=repo, text=True)
        status = service.stop()

    assert {name for questions in expected.values() for name in questions} == examples
    assert smoke.count("as expected") >= len(examples) > 0
    assert json.loads(said)["model"] == {"name": "default", "version": 1}
    assert status == 0, (tmp_path / "log").read_text()
    assert changes() == ""
