"""Commands that lack something say so before they do anything else; what git keeps of the data."""

import re
import sys

import pytest

from bakes import Bake, Baked
from matrix import COMBINATIONS, IMAGED, Combination, name_of
from shell import git, make, refused


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("use", "VERSION is not set: make use VERSION=2"),
        ("login", "REGISTRY_USER and REGISTRY_PASSWORD must be set"),
        ("login REGISTRY_USER=me", "REGISTRY_USER and REGISTRY_PASSWORD must be set"),
        ("smoke URL=http://127.0.0.1:9", 'was not ready within 0 seconds: .*"make serve"'),
        ("smoke URL=http://me:word@localhost", "an address with a password is not accepted"),
    ],
)
def test_a_command_that_lacks_something_says_at_once_what(
    command: str, said: str, baked: Baked
) -> None:
    words = [*command.split(), "VENV=none", f"PYTHON={sys.executable}"]

    heard = refused("timeout", "30", "make", *words, cwd=baked(COMBINATIONS[0]))

    assert re.search(said, heard), heard
    assert len(heard.splitlines()) <= 6, heard


@pytest.mark.parametrize(
    ("task", "kept"),
    [
        ("image-classification", ["data/.gitignore"]),
        ("text-classification", ["data/held-out.csv", "data/ours.csv", "data/train.csv"]),
    ],
)
def test_git_leaves_images_out_and_keeps_examples_of_texts(
    task: str, kept: list[str], bake: Bake
) -> None:
    repo = bake(task=task)
    (repo / "data" / "ours.csv").write_text("text,label\n", encoding="utf-8")
    git(repo, "init", "--quiet")

    git(repo, "add", "--all")

    assert git(repo, "ls-files", "data").splitlines() == kept


@pytest.mark.parametrize("row", IMAGED, ids=name_of)
def test_each_public_image_of_a_build_comes_from_the_mirror(row: Combination, baked: Baked) -> None:
    repo, mirror = baked(row), "mirror.example/copies"
    words = ["image", "VENV=none", f"PYTHON={sys.executable}", "--dry-run"]

    mirrored = make(repo, *words, f"BASE_REGISTRY={mirror}")
    untouched = make(repo, *words, "BASE_REGISTRY=docker.io")

    assert "docker-image://" not in untouched
    assert untouched == make(repo, *words)
    for path in repo.rglob("Dockerfile"):
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r"^# syntax=(.*)", text):
            assert f"--build-arg BUILDKIT_SYNTAX={mirror}/{name}" in mirrored
        images = re.findall(r"^FROM (\S+:\S+)", text, re.MULTILINE)
        assert images
        for image in images:
            copy = f"{mirror}/{image.removeprefix('ghcr.io/')}"
            assert f"--build-context {image}=docker-image://{copy}" in mirrored
