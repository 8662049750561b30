"""Each CI system does the same, and what it does is done here: checked, built, asked, deployed."""

import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from bakes import Bake
from matrix import AXES, Combination, executed
from pipelines import targets
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


@pytest.mark.parametrize("ci", AXES["ci"])
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
    expected = [target for _, target in targets(repo, ci, "push")]
    assert done.begun == expected
    ready = requests.get(f"http://127.0.0.1:{settings.port}/readyz", timeout=10)
    assert ready.status_code == requests.codes.ok
    tags = requests.get(f"http://{settings.registry}/v2/acme/demo/tags/list", timeout=10).json()
    assert "production" in tags["tags"]
    assert any(tag.endswith(".sig") for tag in tags["tags"])
    assert any(tag.endswith(".att") for tag in tags["tags"])


def fail_a_test(repo: Path) -> None:
    """Let a test fail."""
    (repo / "tests" / "test_failing.py").write_text("def test_it() -> None:\n    assert not 1\n")


def spoil_the_model(repo: Path) -> None:
    """Let a file of the model be another than its manifest says."""
    for path in (repo / STARTER / "1").iterdir():
        if path.name != "manifest.json":
            with path.open("ab") as file:
                file.write(b"spoilt")


def silence_the_image(repo: Path) -> None:
    """Let the image have no model where it looks for one."""
    with (repo / "Dockerfile").open("a", encoding="utf-8") as file:
        file.write("ENV MODEL_DIR=/nowhere\n")


FAULTS = {
    "check": fail_a_test,
    "model": spoil_the_model,
    "up": silence_the_image,
}
"""What is broken, by the target that has to stop the pipeline."""
BROKEN = list(zip(FAULTS, AXES["ci"], strict=True))
if os.environ.get("ALL_COMBINATIONS") == "1":
    BROKEN = [(target, ci) for target in FAULTS for ci in AXES["ci"]]


@pytest.mark.parametrize(("target", "ci"), BROKEN)
def test_a_fault_stops_the_pipeline_where_it_is_found(
    target: str,
    ci: str,
    trained: Callable[[Combination], Path],
    settings: Settings,
    tmp_path: Path,
) -> None:
    repo = fetching(trained(executed("github-actions") | {"ci": ci}))
    for path in (repo / "tests").rglob("test_*.py"):
        if path.name != "test_settings.py":  # the others' failures are their own business
            path.unlink()
    FAULTS[target](repo)

    done = RUNNERS[ci](bare_clone(repo, ci, settings.registry, tmp_path), settings, tmp_path)

    assert done.status != 0, done.log
    expected = [name for _, name in targets(repo, ci, "push")]
    until = expected[: expected.index(target) + 1]
    if ci == "github-actions" and target == "check":
        until = [
            name for name in expected if name in done.begun
        ]  # jobs that need nothing run as well
        assert "up" not in done.begun, done.log
    assert done.begun == until, done.log
    catalog = requests.get(f"http://{settings.registry}/v2/_catalog", timeout=10).json()
    assert catalog["repositories"] == []
