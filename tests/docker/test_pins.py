"""``make pin`` of generated repositories, with a registry: digests stay when tags move."""

import re
import uuid
from pathlib import Path

import pytest

from bakes import Bake
from shell import docker, refused, run

pytestmark = pytest.mark.image


def push(image: str, content: str, folder: Path) -> None:
    """Let the tag of *image* name an image whose one file has *content*."""
    (folder / "content").write_text(content)
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY content /content\n")
    docker("build", "--quiet", f"--tag={image}", str(folder))
    docker("push", "--quiet", image)
    docker("rmi", image)


def content_of(line: str, folder: Path) -> str:
    """What the file says in the image that *line*, a ``FROM``, names; pulled by its digest."""
    (folder / "Dockerfile").write_text(f"{line}\n")
    docker("build", "--quiet", f"--output={folder}/out", str(folder))
    return (folder / "out" / "content").read_text()


@pytest.mark.parametrize("backend", ["pytorch", "tensorflow"])
def test_pinned_images_stay_when_their_tags_move_until_they_are_pinned_again(
    backend: str, bake: Bake, registry: str, tmp_path: Path
) -> None:
    repo = bake(backend=backend, serving="model-server")
    owner = uuid.uuid4().hex[:12]
    dockerfiles = [repo / "Dockerfile", repo / "model_server" / "Dockerfile"]
    images = set()
    for path in dockerfiles:  # the public registries' images, as this registry has them
        text = path.read_text(encoding="utf-8").replace("# syntax=docker/dockerfile:1\n", "")
        images |= set(re.findall(r"^FROM (\S+:\S+)", text, re.MULTILINE))
        text = re.sub(r"(?m)^FROM (?=\S+:)", f"FROM {registry}/{owner}/", text)
        path.write_text(text, encoding="utf-8")
    for image in images:
        push(f"{registry}/{owner}/{image}", f"the first {image}", tmp_path)

    said = run("make", "pin", cwd=repo)

    first = [path.read_text(encoding="utf-8") for path in dockerfiles]
    lines = [line for text in first for line in re.findall(r"(?m)^FROM .*:.*", text)]
    assert len(said.splitlines()) == len(images) + 1, "one line an image, and make's own"
    for image in images:
        push(f"{registry}/{owner}/{image}", f"the second {image}", tmp_path)
    for line in lines:
        pinned = re.fullmatch(r"FROM \S+?/\w+/(\S+)@sha256:[0-9a-f]{64}( AS \S+)?", line)
        assert pinned is not None, line
        assert content_of(line, tmp_path) == f"the first {pinned[1]}"

    run("make", "pin", cwd=repo)

    second = [path.read_text(encoding="utf-8") for path in dockerfiles]
    moved = [line for text in second for line in re.findall(r"(?m)^FROM .*:.*", text)]
    assert not set(lines) & set(moved)
    assert "the second " in content_of(moved[0], tmp_path)


def test_an_image_that_no_registry_knows_is_named(bake: Bake, registry: str) -> None:
    repo = bake()
    before = f"FROM {registry}/unknown:1\n"
    (repo / "Dockerfile").write_text(before, encoding="utf-8")

    assert f"the registry of {registry}/unknown:1 does not" in refused("make", "pin", cwd=repo)

    assert (repo / "Dockerfile").read_text(encoding="utf-8") == before
