"""Every backend answers as transformers does, which made the checkpoint."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from families import FAMILIES
from matrix import AXES, COMBINATIONS, Combination
from service import clean_environ

HERE = Path(__file__).parent
LARGEST_DIFFERENCE = 1e-4
pytestmark = pytest.mark.generated


@pytest.fixture(scope="module")
def checkpoints(
    backend_env: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with all checkpoints, made where transformers is installed."""
    folder = tmp_path_factory.mktemp("checkpoints")
    python = backend_env("pytorch") / "bin" / "python"
    command = [str(python), str(HERE / "probe_transformers.py"), str(folder)]
    subprocess.run(command, env=clean_environ(), check=True)
    return folder


@pytest.mark.parametrize("backend", AXES["backend"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_network_begun_with_a_checkpoint_answers_as_transformers_does(
    backend: str,
    family: str,
    checkpoints: Path,
    baked: Callable[[Combination], Path],
    backend_env: Callable[[str], Path],
) -> None:
    wanted = {"backend": backend, "task": family.partition("/")[0]}
    repo = baked(next(each for each in COMBINATIONS if wanted.items() <= each.items()))
    python, folder = backend_env(backend) / "bin" / "python", checkpoints / family
    said = subprocess.check_output(
        [str(python), str(HERE / "probe_checkpoint.py"), str(folder)],
        cwd=repo,
        env=clean_environ() | {"PYTHONPATH": str(repo / "src")},
        text=True,
    )

    difference, spread = json.loads(said.splitlines()[-1])
    assert spread > 0.3
    assert difference <= LARGEST_DIFFERENCE
