"""A device that is asked for is there, or nothing runs: never another in silence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from trained import make_model

from service import manifest as manifests
from service import runtime
from service.errors import OwnerError

SOURCE = Path(manifests.__file__).parents[1]


def test_a_gpu_that_is_not_there_is_refused_where_a_model_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_model(tmp_path) / "1"
    manifest = manifests.read(folder)
    monkeypatch.setattr(runtime, "ASKED", "cuda")

    for artefact in manifest.artefacts:
        with pytest.raises(OwnerError, match=r'^DEVICE is "cuda", and .* OVERLAY=gpu'):
            runtime.load(folder, manifest, artefact, 1)


def test_a_device_that_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "ASKED", "tpu")

    with pytest.raises(OwnerError, match='DEVICE is \'tpu\'; "cpu", "cuda" or nothing'):
        runtime.check_device()


@pytest.mark.parametrize(("asked", "status"), [("cpu", 0), ("", 0), ("cuda", 1)])
def test_the_lifecycle_runs_on_what_the_environment_asks_for(
    asked: str, status: int, tmp_path: Path
) -> None:
    folder = make_model(tmp_path)
    manifest = manifests.read(folder / "1")
    one = manifest.model_copy(update={"artefacts": manifest.artefacts[1:2]})
    manifests.write(one, folder / "1")

    done = subprocess.run(
        [sys.executable, "-m", "service.lifecycle", "verify", "--model-dir", folder],
        env=os.environ | {"DEVICE": asked, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == status, done.stderr
    assert ("OVERLAY=gpu" in done.stderr) == (asked == "cuda")
