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
from matrix import AXES, Combination, executed
from pipelines import PUSH, targets
from registry import running_registry
from runners import RUNNERS, Settings, bare_clone, container_image, cosign
from service import free_port
from shell import images_named, remove_images, run

pytestmark = pytest.mark.image


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A registry, a key pair and cosign on the path."""
    container_image()
    program = cosign()
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(program).parent), os.environ["PATH"]]))
    key = [program, "generate-key-pair", f"--output-key-prefix={tmp_path / 'cosign'}"]
    subprocess.run(key, env=os.environ | {"COSIGN_PASSWORD": "secret"}, check=True)
    project = f"pipeline-{uuid.uuid4().hex[:8]}"
    with running_registry(tmp_path) as address:
        yield Settings(address, tmp_path / "cosign.key", free_port(), project)
        run("docker", "compose", f"--project-name={project}", "down", "--timeout=5")
        remove_images(*images_named(address))


def fetching(repo: Path) -> Path:
    """*repo* with the model that it has in a folder, from which it is fetched.

    Without mypy, which takes a minute: the pipeline that trains runs it.
    """
    (repo / "models" / "default").rename(repo / STARTER)
    change(repo / "Makefile", "\nMODEL_FROM ?=\n", f"\nMODEL_FROM := {STARTER}\n")
    change(repo / "Makefile", "\t$(BIN)/python -m mypy\n", "")
    return repo


def change(path: Path, old: str, new: str) -> None:
    """Put *new* where *old* is in the file at *path*."""
    text = path.read_text(encoding="utf-8")
    assert old in text, old
    path.write_text(text.replace(old, new), encoding="utf-8")


STARTER = "starter"
TRAINING = "github-actions"
"""The CI system whose pipeline trains; the others fetch what is trained already."""


@pytest.mark.parametrize(
    "ci",
    [pytest.param(ci, marks=[pytest.mark.last] if ci != TRAINING else []) for ci in AXES["ci"]],
)
def test_a_push_is_checked_built_asked_pushed_signed_and_deployed(
    ci: str,
    bake: Bake,
    trained: Callable[[Combination], Path],
    settings: Settings,
    tmp_path: Path,
) -> None:
    row = executed(ci)
    repo = bake(**row) if ci == TRAINING else fetching(trained(row))
    settings.deploy = True

    done = RUNNERS[ci](bare_clone(repo, ci, settings.registry, tmp_path), settings, tmp_path)

    assert done.status == 0, done.log
    expected = targets(repo, ci, PUSH)
    assert done.begun == expected
    ready = requests.get(f"http://127.0.0.1:{settings.port}/readyz", timeout=10)
    assert ready.status_code == requests.codes.ok
    tags = requests.get(f"http://{settings.registry}/v2/acme/demo/tags/list", timeout=10).json()
    assert "production" in tags["tags"]
    assert any(tag.endswith(".sig") for tag in tags["tags"])
    assert any(tag.endswith(".att") for tag in tags["tags"])
