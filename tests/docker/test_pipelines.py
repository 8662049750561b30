"""Each CI system does the same, and what it does is done here: checked, built, asked, deployed."""

import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from bakes import Bake
from matrix import AXES, CHOICES, COMBINATIONS, Combination, executed
from pipelines import EVENTS, pythons, targets
from registry import running_registry
from runners import RUNNERS, Settings, bare_clone, container_image, cosign
from service import free_port


@pytest.mark.parametrize("event", EVENTS)
def test_all_systems_call_the_same_targets_in_the_same_order(
    event: str, baked: Baked
) -> None:
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
def test_the_check_runs_with_every_python_that_is_offered(
    ci: str, baked: Baked
) -> None:
    assert pythons(baked(executed(ci)), ci) == CHOICES["python_version"]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A registry, a key pair and cosign on the path."""
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no Docker engine answers, so no pipeline was executed")
    container_image()
    program = cosign()
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(program).parent), os.environ["PATH"]]))
    key = [program, "generate-key-pair", f"--output-key-prefix={tmp_path / 'cosign'}"]
    subprocess.run(key, env=os.environ | {"COSIGN_PASSWORD": "secret"}, check=True)
    project = f"pipeline-{uuid.uuid4().hex[:8]}"
    with running_registry(tmp_path) as address:
        yield Settings(address, tmp_path / "cosign.key", free_port(), project)
        docker = ["docker", "compose", "--project-name", project, "down", "--timeout", "5"]
        subprocess.run(docker, capture_output=True, check=False)
        images = subprocess.check_output(
            ["docker", "images", "--format={{.Repository}}:{{.Tag}}"], text=True
        )
        for name in images.splitlines():
            if name.startswith(address):
                subprocess.run(["docker", "rmi", "-f", name], capture_output=True, check=False)


@pytest.mark.image
@pytest.mark.parametrize("ci", AXES["ci"])
def test_a_push_is_checked_built_asked_pushed_signed_and_deployed(
    ci: str, bake: Bake, settings: Settings, tmp_path: Path
) -> None:
    repo = bake(**executed(ci))
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


def raise_the_threshold(repo: Path) -> None:
    """Ask for more than the starter can."""
    path = repo / "src" / "service" / "lifecycle" / "dataset.py"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    (number,) = [n for n, line in enumerate(lines) if line.startswith("THRESHOLD = ")]
    lines[number] = "THRESHOLD = 0.99999\n"
    path.write_text("".join(lines), encoding="utf-8")


def silence_the_image(repo: Path) -> None:
    """Let the image have no model where it looks for one."""
    with (repo / "Dockerfile").open("a", encoding="utf-8") as file:
        file.write("ENV MODEL_DIR=/nowhere\n")


FAULTS = {
    "check": fail_a_test,
    "model": raise_the_threshold,
    "up": silence_the_image,
}
"""What is broken, by the target that has to stop the pipeline."""
BROKEN = list(zip(FAULTS, AXES["ci"], strict=True))
if os.environ.get("ALL_COMBINATIONS") == "1":
    BROKEN = [(target, ci) for target in FAULTS for ci in AXES["ci"]]


@pytest.mark.image
@pytest.mark.parametrize(("target", "ci"), BROKEN)
def test_a_fault_stops_the_pipeline_where_it_is_found(
    target: str, ci: str, bake: Bake, settings: Settings, tmp_path: Path
) -> None:
    repo = bake(**executed("github-actions") | {"ci": ci})
    for path in repo.glob("tests/test_*.py"):
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
