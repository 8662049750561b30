"""Generated repositories do what they promise, by their own commands."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Bake
from matrix import COMBINATIONS, Combination, name_of, one_per_backend, without_ci
from service import CACHE, clean_environ, running

pytestmark = pytest.mark.generated
EXAMPLES = "examples/[0-9]*.png"
SECONDS = 1200


def make(repo: Path, *words: str) -> str:
    """Run ``make`` with *words* in *repo*; gives what it said, or fails with it."""
    result = subprocess.run(
        ["make", *words],
        cwd=repo,
        env=clean_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert result.returncode == 0, f"make {' '.join(words)}\n{result.stdout}"
    return result.stdout


def as_git_repository(repo: Path) -> Callable[[], str]:
    """Make a commit of *repo*; gives a function that tells what has changed since."""
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.com"]
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "first"]):
        subprocess.run([*git, *words], cwd=repo, check=True)
    return lambda: subprocess.check_output(["git", "status", "--porcelain"], cwd=repo, text=True)


@pytest.fixture
def installed(backend_env: Callable[[str], Path]) -> Callable[[Combination], list[str]]:
    """A function that gives the words for ``make`` to use the backend's shared environment."""

    def words(answers: Combination) -> list[str]:
        venv = backend_env(answers["backend"])
        return [f"VENV={venv}", "-o", f"{venv}/.installed"]

    return words


@pytest.mark.parametrize("answers", without_ci(COMBINATIONS), ids=name_of)
def test_make_check_passes_and_make_format_changes_nothing(
    answers: Combination,
    bake: Bake,
    installed: Callable[[Combination], list[str]],
) -> None:
    repo = bake(**answers)
    changes = as_git_repository(repo)

    make(repo, "check", *installed(answers))
    make(repo, "format", *installed(answers))

    assert changes() == ""


@pytest.mark.parametrize("answers", without_ci(COMBINATIONS), ids=name_of)
def test_the_starter_model_is_made_and_served_and_reads_every_example(
    answers: Combination,
    bake: Bake,
    installed: Callable[[Combination], list[str]],
    tmp_path: Path,
) -> None:
    repo = bake(**answers)
    changes = as_git_repository(repo)

    make(repo, "model", *installed(answers))
    make(repo, "verify", *installed(answers))
    with running(repo, clean_environ(), tmp_path / "log", installed(answers)) as service:
        service.wait_until_ready()
        examples = sorted(repo.glob(EXAMPLES))
        read = {path.name: service.predict(path)["prediction"] for path in examples}
        make(repo, "smoke", f"URL={service.url}", f"PYTHON={sys.executable}")
        status = service.stop()

    assert examples
    assert read == {path.name: path.name[0] for path in examples}
    assert status == 0, (tmp_path / "log").read_text()
    assert changes() == ""


@pytest.mark.parametrize("answers", one_per_backend(), ids=name_of)
def test_make_test_passes_from_nothing(answers: Combination, bake: Bake) -> None:
    repo = bake(**answers)

    said = make(repo, "test", f"PYTHON={sys.executable}")

    assert (repo / ".venv").is_dir()
    assert " passed" in said


def test_make_demo_shows_question_answer_and_where_the_repository_lies(
    template: Path, tmp_path: Path
) -> None:
    venv = Path(sys.prefix)
    downloads = os.environ.get("UV_CACHE_DIR", str(CACHE.parent / "uv"))
    environ = clean_environ() | {"XDG_CACHE_HOME": str(tmp_path), "UV_CACHE_DIR": downloads}
    said = subprocess.check_output(
        ["make", "demo", f"VENV={venv}", "-o", f"{venv}/.installed"],
        cwd=template,
        env=environ,
        text=True,
        timeout=SECONDS,
    )

    assert "curl -F image=@examples/7.png" in said
    assert '"prediction": "7"' in said
    (lies_in,) = [line for line in said.splitlines() if line.startswith("The repository lies in ")]
    assert Path(lies_in.split()[4].rstrip(".")).is_dir()
