"""An image is built where no network is: of a registry's copies and a folder of wheels."""

from collections.abc import Callable
from pathlib import Path

import pytest

from containers import answer_to_first_example, started
from matrix import IMAGED, Combination
from shell import docker, make, remove_images, run

ROW = next(row for row in IMAGED if (row["backend"], row["serving"]) == ("pytorch", "in-process"))
PYTHON = "python:3.11-slim"
OTHERS = {
    "ghcr.io/astral-sh/uv:0.13": "astral-sh/uv:0.13",
    "docker/dockerfile:1": "docker/dockerfile:1",
}
COPY = f"""\
FROM {PYTHON}
# Where this machine's images find packages.
RUN rm -f /etc/uv/uv.toml /etc/pip.conf && touch /copied
"""
pytestmark = pytest.mark.image


@pytest.fixture
def mirror(registry: str, tmp_path: Path) -> str:
    """A registry that has copies of the public images; Python's is known by a file."""
    address = f"{registry}/closed"
    (tmp_path / "Dockerfile").write_text(COPY)
    run("docker", "build", f"--tag={address}/{PYTHON}", ".", cwd=tmp_path)
    for image, name in OTHERS.items():
        if not docker("images", "--quiet", image):
            docker("pull", image)
        docker("tag", image, f"{address}/{name}")
    copies = [f"{address}/{name}" for name in (PYTHON, *OTHERS.values())]
    for name in copies:
        docker("push", name)
    remove_images(*copies)
    return address


def test_an_image_is_built_of_copies_and_wheels_without_a_network(
    trained: Callable[[Combination], Path],
    installed: Callable[[Combination], list[str]],
    mirror: str,
    container: str,
    tmp_path: Path,
) -> None:
    repo, image = trained(ROW), f"template-test:{container}"
    wheels = [f"WHEELS={tmp_path / 'wheels'}", *installed(ROW)]

    make(repo, "wheels", *wheels)
    said = make(
        repo, "image", "MODEL_FORMAT=onnx", f"BASE_REGISTRY={mirror}", f"IMAGE={image}", *wheels
    )

    assert f'--build-context wheels="{tmp_path / "wheels"}" --network none' in said
    port = started(image, container)
    assert answer_to_first_example(repo, port)[0] == 200
    docker("exec", container, "ls", "/copied")
    docker("rm", "--force", container)
    remove_images(image)
