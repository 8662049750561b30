"""Each CI system does the same, and what it does is done here: checked, built, asked, deployed.

That a stage which fails ends the pipeline: ``tests/render/test_pipeline_scripts.py``.
"""

import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from bakes import Bake
from matrix import AXES, TRAINING, Combination, executed
from pipelines import PUSH, targets
from runners import RUNNERS, Settings, bare_clone, container_image, cosign
from service import free_port
from shell import images_named, remove_images, run

pytestmark = pytest.mark.image


@pytest.fixture
def settings(registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A registry, a key pair and cosign on the path."""
    container_image()
    program = cosign()
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(program).parent), os.environ["PATH"]]))
    key = [program, "generate-key-pair", f"--output-key-prefix={tmp_path / 'cosign'}"]
    subprocess.run(key, env=os.environ | {"COSIGN_PASSWORD": "secret"}, check=True)
    project = f"pipeline-{uuid.uuid4().hex[:8]}"
    found = Settings(registry, tmp_path / "cosign.key", free_port(), project)
    yield found
    run("docker", "compose", f"--project-name={project}", "down", "--timeout=5")
    remove_images(*images_named(found.image))


def fetching(repo: Path) -> Path:
    """*repo* with the model that it has in a folder, from which it is fetched.

    Without mypy, and with one module of tests: the pipeline that trains runs them all.
    """
    (repo / "models" / "default").rename(repo / STARTER)
    change(repo / "Makefile", "\nMODEL_FROM ?=\n", f"\nMODEL_FROM := {STARTER}\n")
    change(repo / "Makefile", "\t$(BIN)/python -m mypy\n", "")
    change(repo / "pyproject.toml", 'testpaths = ["tests"]', f'testpaths = ["{TESTS}"]')
    return repo


def change(path: Path, old: str, new: str) -> None:
    """Put *new* where *old* is in the file at *path*."""
    text = path.read_text(encoding="utf-8")
    assert old in text, old
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture
def repository(
    bake: Bake,
    trained: Callable[[Combination], Path],
    server_words: Callable[[Combination], list[str]],
    settings: Settings,
) -> Callable[[str], Path]:
    """A function that gives the repository for a CI system, which may set variables."""

    def of(ci: str) -> Path:
        row = executed(ci)
        if ci == TRAINING:
            return bake(**row)
        settings.variables |= dict(word.split("=", 1) for word in server_words(row))
        return fetching(trained(row))

    return of


STARTER, TESTS = "starter", "tests/contract/test_contract.py"


@pytest.mark.parametrize(
    "ci",
    [pytest.param(ci, marks=[pytest.mark.last] if ci != TRAINING else []) for ci in AXES["ci"]],
)
def test_a_push_is_checked_built_asked_pushed_signed_and_deployed(
    ci: str,
    repository: Callable[[str], Path],
    settings: Settings,
    tmp_path: Path,
) -> None:
    settings.deploy = True
    repo = repository(ci)

    done = RUNNERS[ci](bare_clone(repo, ci, settings.registry, tmp_path), settings, tmp_path)

    assert done.status == 0, done.log
    expected = targets(repo, ci, PUSH)
    assert done.begun == expected
    ready = requests.get(f"http://127.0.0.1:{settings.port}/readyz", timeout=10)
    assert ready.status_code == requests.codes.ok
    path = settings.image.removeprefix(settings.registry)
    tags = requests.get(f"http://{settings.registry}/v2{path}/tags/list", timeout=10).json()
    assert "production" in tags["tags"]
    assert any(tag.endswith(".sig") for tag in tags["tags"])
    assert any(tag.endswith(".att") for tag in tags["tags"])
