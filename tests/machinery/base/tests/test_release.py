"""What is said of how an image was built, and which image is meant."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

RELEASE = Path(__file__).parents[1] / "release"
ENVIRONMENT = {
    "BUILDER_ID": "https://ci.example/me/digits/pipeline",
    "BUILD_URL": "https://ci.example/me/digits/runs/7",
    "BUILD_REPOSITORY": "https://git.example/me/digits.git",
    "BUILD_COMMIT": "0123456789abcdef0123456789abcdef01234567",
}


def run(script: str, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: text for name, text in os.environ.items() if not name.startswith("BUILD")}
    return subprocess.run(
        [sys.executable, str(RELEASE / script), *words],
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_provenance_says_who_built_what_and_where() -> None:
    more = {"BUILD_REF": "refs/tags/v1", "BUILD_STARTED_ON": "2026-01-31T12:00:00Z"}
    done = run("provenance.py", **ENVIRONMENT, **more)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "buildDefinition": {
            "buildType": "https://git.example/me/digits#make-image",
            "externalParameters": {
                "repository": "https://git.example/me/digits",
                "ref": "refs/tags/v1",
            },
            "resolvedDependencies": [
                {
                    "uri": "git+https://git.example/me/digits@refs/tags/v1",
                    "digest": {"gitCommit": ENVIRONMENT["BUILD_COMMIT"]},
                }
            ],
        },
        "runDetails": {
            "builder": {"id": ENVIRONMENT["BUILDER_ID"]},
            "metadata": {
                "invocationId": ENVIRONMENT["BUILD_URL"],
                "startedOn": "2026-01-31T12:00:00Z",
            },
        },
    }


def test_an_address_as_git_writes_it_for_ssh_becomes_a_url() -> None:
    address = {"BUILD_REPOSITORY": "git@git.example:me/digits.git"}
    done = run("provenance.py", **ENVIRONMENT | address)

    assert done.returncode == 0, done.stderr
    external = json.loads(done.stdout)["buildDefinition"]["externalParameters"]
    assert external == {"repository": "ssh://git@git.example/me/digits"}


def test_without_a_ref_the_commit_says_it_all() -> None:
    definition = json.loads(run("provenance.py", **ENVIRONMENT).stdout)["buildDefinition"]

    assert definition["externalParameters"] == {"repository": "https://git.example/me/digits"}
    assert definition["resolvedDependencies"][0]["uri"] == "git+https://git.example/me/digits"


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_nothing_is_guessed_where_the_environment_says_nothing(name: str) -> None:
    done = run("provenance.py", **ENVIRONMENT | {name: ""})

    assert done.returncode == 1
    assert done.stdout == ""
    assert f"the environment lacks {name} (" in done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BUILD_COMMIT", "main"),
        ("BUILD_COMMIT", "0123456"),
        ("BUILD_URL", "run 7"),
        ("BUILDER_ID", "me"),
        ("BUILD_REPOSITORY", "me/digits"),
        ("BUILD_STARTED_ON", "yesterday"),
    ],
)
def test_what_is_no_address_commit_or_time_is_refused_by_name(name: str, value: str) -> None:
    done = run("provenance.py", **ENVIRONMENT | {name: value})

    assert done.returncode == 1
    assert f"{name} is {value!r}" in done.stderr
    assert "is accepted" in done.stderr


ENGINE = """\
#!/bin/sh
echo '{}'
"""
DIGEST = "sha256:" + 64 * "a"


@pytest.mark.parametrize(
    "image",
    [
        "registry.example:5000/me/digits:1.0",
        "registry.example:5000/me/digits",
        f"registry.example:5000/me/digits@{DIGEST}",
    ],
)
def test_a_pushed_image_is_known_by_the_digest_of_its_own_registry(
    tmp_path: Path, image: str
) -> None:
    others = ["other.example/me/digits", "registry.example:5000/me/digits-model"]
    known = [f"{name}@sha256:{64 * 'b'}" for name in others]
    known.append(f"registry.example:5000/me/digits@{DIGEST}")

    done = run("digest.py", image, PATH=with_engine(tmp_path, known))

    assert done.stdout == f"registry.example:5000/me/digits@{DIGEST}\n"


def test_an_image_that_was_not_pushed_has_no_digest(tmp_path: Path) -> None:
    known = [f"other.example/digits@{DIGEST}"]

    done = run("digest.py", "me.example/digits:1", PATH=with_engine(tmp_path, known))

    assert done.returncode == 1
    assert 'Run "make push"' in done.stderr


def with_engine(folder: Path, digests: list[str]) -> str:
    """PATH with a ``docker`` first that knows an image by *digests*."""
    program = folder / "docker"
    program.write_text(ENGINE.format(json.dumps(digests)))
    program.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"
