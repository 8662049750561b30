"""What is pinned in a Dockerfile, and that ours can be."""

import re
from pathlib import Path

import pytest

from service.upkeep.pin import PinError, pinned

ROOT = Path(__file__).resolve().parent.parent
OLD, NEW = f"@sha256:{'0' * 64}", f"@sha256:{'a' * 64}"
DOCKERFILES = sorted([*ROOT.glob("Dockerfile"), *ROOT.glob("*/Dockerfile")])


def digest_of(image: str) -> str:
    """The same for all, of an image that a registry can know."""
    assert re.fullmatch(r"[a-z0-9./:-]+", image), image
    return NEW.removeprefix("@")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("FROM python:3.11-slim", f"FROM python:3.11-slim{NEW}"),
        ("FROM python:3.11-slim AS build", f"FROM python:3.11-slim{NEW} AS build"),
        (f"FROM python:3.11-slim{OLD} AS build", f"FROM python:3.11-slim{NEW} AS build"),
        ("from --platform=linux/amd64 a:1", f"from --platform=linux/amd64 a:1{NEW}"),
        ("FROM 127.0.0.1:5000/a/b:1.0", f"FROM 127.0.0.1:5000/a/b:1.0{NEW}"),
        ("COPY --from=a.io/b:1 /b /b", f"COPY --from=a.io/b:1{NEW} /b /b"),
        ("COPY --link --from=a.io/b:1 /b /b", f"COPY --link --from=a.io/b:1{NEW} /b /b"),
        ("# syntax=docker/dockerfile:1", f"# syntax=docker/dockerfile:1{NEW}"),
        (
            "FROM a:1 AS build\nFROM build\nCOPY --from=build /a /a",
            f"FROM a:1{NEW} AS build\nFROM build\nCOPY --from=build /a /a",
        ),
        ("FROM scratch\nCOPY --from=0 /a /a", "FROM scratch\nCOPY --from=0 /a /a"),
        ("# FROM a:1\nRUN echo FROM a:1\nCOPY a a", "# FROM a:1\nRUN echo FROM a:1\nCOPY a a"),
    ],
)
def test_every_image_gets_its_digest_and_nothing_else_changes(before: str, after: str) -> None:
    assert pinned(before, digest_of) == after
    assert pinned(after, digest_of) == after


def test_an_image_that_follows_from_a_variable_is_refused() -> None:
    with pytest.raises(PinError, match=r'"FROM python:\$\{V\}-slim AS a" names .* by a variable'):
        pinned("ARG V=3.11\nFROM python:${V}-slim AS a\n", digest_of)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_our_dockerfiles_can_be_pinned(path: Path) -> None:
    assert NEW in pinned(path.read_text(encoding="utf-8"), digest_of)


def test_the_service_has_the_python_of_python_version() -> None:
    version = (ROOT / ".python-version").read_text(encoding="utf-8").strip()
    tags = re.findall(
        r"^FROM python:([0-9.]+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE
    )

    assert set(tags) == {version}, f'change the "FROM python:" of Dockerfile to {version} as well'
