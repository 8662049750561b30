"""What an image without PyTorch holds, served where PyTorch cannot be imported."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bakes import Bake
from matrix import AXES, Combination
from service import clean_environ, running
from shell import make, run

pytestmark = pytest.mark.generated
HIDDEN = "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n"
ROWS: list[Combination] = [
    {
        "framework": AXES["framework"][number % 2],
        "backend": "pytorch",
        "task": task,
        "serving": "in-process",
        "ci": AXES["ci"][0],
    }
    for number, task in enumerate(AXES["task"])
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["task"])
def test_onnx_is_served_without_pytorch(
    row: Combination,
    bake: Bake,
    installed: Callable[[Combination], list[str]],
    starter: Callable[[Combination], Path],
    tmp_path: Path,
) -> None:
    repo, (log, *logs) = bake(**row), (tmp_path / name for name in ("log", "all", "pt2"))
    shutil.copytree(starter(row), repo / "models")
    image = repo / "build" / "image"
    pack = ["tools/pack.py", "models/default", str(image)]
    assert run(sys.executable, *pack, "--format", "onnx", cwd=repo).strip() == "onnx"
    (tmp_path / "torch.py").write_text(HIDDEN)
    words = [*installed(row), f"PYTHONPATH=src:{tmp_path}"]
    (home := tmp_path / "home").mkdir()
    environ = clean_environ() | {"HOME": str(home)}

    packed = environ | {"MODEL_DIR": str(image / "default")}
    with running(repo, packed, log, words) as service:
        service.wait_until_ready()
        make(repo, "smoke", f"URL={service.url}", f"PYTHON={sys.executable}")
        assert service.stop() == 0, log.read_text()
    assert "format_fails_here" not in log.read_text()
    assert not list(home.rglob("*onnxruntime*"))  # which keeps there what it reports to its makers

    if row["task"] != AXES["task"][0]:
        return
    with running(repo, environ, logs[0], words) as service:  # a folder with every format
        service.wait_until_ready()
    assert 'Format \\"pt2\\" needs torch, which is not installed' in logs[0].read_text()
    with (
        running(repo, environ | {"MODEL_FORMAT": "pt2"}, logs[1], words) as service,
        pytest.raises(RuntimeError, match="Build the image with MODEL_FORMAT=pt2"),
    ):
        service.wait_until_ready()
