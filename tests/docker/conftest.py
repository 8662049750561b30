"""What tests with a Docker engine share: images, built once for all processes of a run."""

import re
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bakes import Bake
from locking import locked_file
from machinery import lay_over
from matrix import COMBINATIONS, LOCK_QUESTIONS, Combination
from registry import address_of_registry
from shell import engine_answers, image_of_run, make, remove_images, run

STAND_IN = """\
FROM python:3.11-slim-bookworm
WORKDIR /stand-in
COPY pyproject.toml requirements.lock ./
RUN pip install --no-cache-dir uv && uv pip install --system --no-cache \\
    --requirements pyproject.toml tensorflow-cpu tensorflow-serving-api \\
    --constraint requirements.lock
COPY . .
RUN printf '#!/bin/sh\\nexec python /stand-in/tests/tensorflow_serving_stand_in.py "$@"\\n' \\
    > /usr/bin/tensorflow_model_server && chmod +x /usr/bin/tensorflow_model_server
ENV PYTHONPATH=/stand-in/src STAND_IN_HOST=0.0.0.0
"""


@pytest.fixture(scope="session", autouse=True)
def _engine() -> None:
    if not engine_answers():
        pytest.skip("no Docker engine answers, so no image was built, run or deployed")


@pytest.fixture(scope="session")
def registry() -> str:
    """The host and port of a registry for names that no other test has."""
    return address_of_registry()


@pytest.fixture
def tag() -> Iterator[str]:
    """A name for an image, which is removed in the end."""
    name = f"template-test:{uuid.uuid4().hex[:12]}"
    yield name
    remove_images(name, f"{name}-model-server")


@pytest.fixture
def container() -> Iterator[str]:
    """A name for a container, which is removed in the end."""
    name = f"template-test-{uuid.uuid4().hex[:12]}"
    yield name
    subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)


@pytest.fixture(scope="session")
def trained(bake: Bake, starter: Callable[[Combination], Path]) -> Callable[[Combination], Path]:
    """A function that gives a repository of its own for a combination, with its starter model."""

    def of(row: Combination) -> Path:
        repo = bake(**row)
        shutil.copytree(starter(row), repo / "models")
        return repo

    return of


@pytest.fixture(scope="session")
def tensorflow_serving(bake: Bake, shared_folder: Path) -> str:
    """The image of TensorFlow Serving, or a stand-in for it where it cannot be pulled."""
    row = next(
        each
        for each in COMBINATIONS
        if (each["backend"], each["serving"]) == ("tensorflow", "model-server")
    )
    repo = bake(**row)
    named = re.search("FROM (.*) AS", (repo / "model_server/Dockerfile").read_text())
    assert named is not None
    known = shared_folder / "tensorflow-serving"
    with locked_file(shared_folder / "tensorflow-serving.lock"):
        if not known.exists():
            pull = subprocess.run(["docker", "pull", named[1]], capture_output=True, check=False)
            image = named[1] if pull.returncode == 0 else _stand_in(row, repo, shared_folder)
            known.write_text(image)
    return known.read_text()


def _stand_in(row: Combination, repo: Path, shared_folder: Path) -> str:
    folder, image = shared_folder / "stand-in", "template-test:tensorflow-serving-stand-in"
    folder.mkdir()
    for name in ("src", "tests"):
        shutil.copytree(repo / name, folder / name)
    lay_over(folder, row)
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy(repo / name, folder)
    (folder / "Dockerfile").write_text(STAND_IN)
    run("docker", "build", f"--tag={image}", ".", cwd=folder)
    return image


@pytest.fixture(scope="session")
def server_words(request: pytest.FixtureRequest) -> Callable[[Combination], list[str]]:
    """A function that gives the words for ``make`` to build a combination's images.

    With PyTorch in-process ONNX is served, as after most trainings: the image has no PyTorch.
    """

    def of(row: Combination) -> list[str]:
        if (row["backend"], row["serving"]) == ("pytorch", "in-process"):
            return ["MODEL_FORMAT=onnx"]
        if (row["backend"], row["serving"]) != ("tensorflow", "model-server"):
            return []
        return [f"TENSORFLOW_SERVING={request.getfixturevalue('tensorflow_serving')}"]

    return of


@pytest.fixture(scope="session")
def image_of(
    trained: Callable[[Combination], Path],
    server_words: Callable[[Combination], list[str]],
    shared_folder: Path,
) -> Callable[[Combination], str]:
    """A function that gives the image of a combination with its starter model.

    Built once by ``make image`` for all processes, and removed when the run ends. Its model
    server's image has the same name with ``-model-server``.
    """

    def of(row: Combination) -> str:
        name = "-".join(row[question] for question in LOCK_QUESTIONS)
        image, built = image_of_run(name), shared_folder / f"image-{name}"
        with locked_file(shared_folder / f"image-{name}.lock"):
            if not built.exists():
                make(trained(row), "image", f"IMAGE={image}", *server_words(row))
                built.touch()
        return image

    return of
