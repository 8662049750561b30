"""Images for GPUs: built where the overlay is, of packages that are locked."""

import re
import tomllib
from pathlib import Path

import pytest

from bakes import Baked
from matrix import AXES, COMBINATIONS, without_ci
from shell import finished, run

WORDS = {
    ("pytorch", "in-process"): 'TORCH_INDEX="cuda"',
    ("pytorch", "model-server"): 'TORCH_INDEX="cuda"',
    ("tensorflow", "in-process"): 'OVERLAY="gpu"',
    ("tensorflow", "model-server"): "docker-image://tensorflow/serving:2.20.0-gpu",
}
"""What ``docker build`` is told."""


@pytest.mark.parametrize(("backend", "serving"), WORDS)
def test_the_overlay_says_what_is_built(backend: str, serving: str, baked: Baked) -> None:
    row = next(
        each
        for each in without_ci(COMBINATIONS)
        if (each["backend"], each["serving"]) == (backend, serving)
    )
    image = "server-image" if serving == "model-server" else "image"
    told = {
        overlay: run("make", "--dry-run", image, f"OVERLAY={overlay}", cwd=baked(row))
        for overlay in ("cpu", "gpu")
    }

    assert WORDS[backend, serving] in told["gpu"]
    assert WORDS[backend, serving] not in told["cpu"]


@pytest.mark.parametrize("backend", AXES["backend"])
def test_nvidias_packages_are_locked_with_hashes_beside_the_others(
    backend: str, baked: Baked
) -> None:
    row = next(each for each in COMBINATIONS if each["backend"] == backend)
    repo = baked(row)
    text = (repo / "requirements-cuda.lock").read_text(encoding="utf-8")
    pins = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    of_cpu = re.findall(r"^[\w-]+(?===)", (repo / "requirements.lock").read_text(), re.MULTILINE)

    assert len([pin for pin in pins if pin.startswith("nvidia-")]) > 5
    assert all("--hash=sha256:" in pin for pin in pins)
    assert not {pin.split("==")[0] for pin in pins} & set(of_cpu)
    assert "requirements-cuda.lock" in (repo / "Dockerfile").read_text(encoding="utf-8")
    document = tomllib.loads((repo / "pyproject.toml").read_text(encoding="utf-8"))
    assert "requirements*.lock" in document["tool"]["cruft"]["skip"]


@pytest.mark.parametrize(
    ("device", "programs", "expected"),
    [
        ("", "", "serves --port=1"),
        ("cpu", "", "serves --port=1"),
        ("cuda", "ls nvidia-smi", "serves --port=1"),
        ("cuda", "ls", "there is no GPU"),
        ("cuda", "nvidia-smi", "this image has no CUDA"),
        ("tpu", "ls nvidia-smi", '"cpu", "cuda" or nothing'),
    ],
)
def test_tensorflow_serving_does_not_start_without_the_gpu_that_it_is_asked_for(
    device: str, programs: str, expected: str, baked: Baked, tmp_path: Path
) -> None:
    """Programs that succeed: ``ls`` finds CUDA, ``nvidia-smi`` a GPU."""
    answers = {"backend": "tensorflow", "serving": "model-server"}
    row = next(each for each in COMBINATIONS if answers.items() <= each.items())
    for name in ("ls", "nvidia-smi", "tensorflow_model_server"):
        status = int(name not in {*programs.split(), "tensorflow_model_server"})
        said = 'echo "serves $*"' if name == "tensorflow_model_server" else ""
        (tmp_path / name).write_text(f"#!/bin/sh\n{said}\nexit {status}\n")
        (tmp_path / name).chmod(0o755)
    folder = baked(row) / "model_server"
    document = (folder / "Dockerfile").read_text(encoding="utf-8")
    (script,) = re.findall(
        r'^ENTRYPOINT \["sh", "/etc/model_server/(.+)"\]$', document, re.MULTILINE
    )
    assert f"!model_server/{script}\n" in (folder / "Dockerfile.dockerignore").read_text()

    environ = {"DEVICE": device, "PATH": f"{tmp_path}:/usr/bin:/bin"}
    status, said = finished("/bin/sh", folder / script, "--port=1", environ=environ)

    assert expected in said
    assert (status == 0) == expected.startswith("serves"), said
