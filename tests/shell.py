"""Commands that tests run: each gives what the command said, or fails with it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from service import clean_environ

SECONDS = 2400
"""After which a command that hangs is ended, and its test fails."""


def finished(
    *command: str | Path, cwd: Path | None = None, environ: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """The exit status of *command*, and all that it said.

    Args:
        command: the program and its arguments.
        cwd: where it runs.
        environ: variables beside those that a generated repository's commands have.
    """
    result = subprocess.run(
        ["timeout", "--kill-after=10", str(SECONDS), *map(str, command)],
        cwd=cwd,
        env=clean_environ() | dict(environ or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS + 60,
        check=False,
    )
    return result.returncode, result.stdout


def run(*command: str | Path, cwd: Path | None = None, **environ: str) -> str:
    """What *command* says when it succeeds."""
    status, said = finished(*command, cwd=cwd, environ=environ)
    assert status == 0, f"{' '.join(map(str, command))}\n{said}"
    return said


def refused(*command: str | Path, cwd: Path | None = None, **environ: str) -> str:
    """What *command* says when it fails."""
    status, said = finished(*command, cwd=cwd, environ=environ)
    assert status != 0, f"{' '.join(map(str, command))}\n{said}"
    return said


def make(repo: Path, *words: str, **environ: str) -> str:
    """What ``make`` with *words* says in *repo*."""
    return run("make", *words, cwd=repo, **environ)


def git(folder: Path, *words: str) -> str:
    """What git says to *words* in *folder*, as somebody who has a name."""
    identity = ("-c", "user.name=Owner", "-c", "user.email=owner@example.com")
    return run("git", *identity, *words, cwd=folder).strip()


def commit(folder: Path, message: str) -> str:
    """Commit all that lies in *folder*; gives the commit."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def docker(*words: str) -> str:
    """What ``docker`` says to *words*."""
    return run("docker", *words).strip()


def engine_answers() -> bool:
    """Whether a Docker engine is there to be used."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


RUN_ID = "TEMPLATE_TEST_RUN"
"""The variable that names this run of tests, for all of its processes."""


def image_of_run(name: str) -> str:
    """The name of an image that is removed when this run of tests ends."""
    return f"template-test:{os.environ[RUN_ID]}-{name}"


def remove_images_of_run() -> None:
    """Remove the images that all processes of this run shared."""
    if engine_answers():
        remove_images(*images_named(image_of_run("")))


def images_named(*beginnings: str) -> list[str]:
    """The names of images that begin so; a pushed one also has a name with its digest."""
    names = "--format={{.Repository}}:{{.Tag}} {{.Repository}}@{{.Digest}}"
    listed = docker("images", "--digests", names).split()
    return [each for each in listed if each.startswith(beginnings) and "<none>" not in each]


def remove_images(*names: str) -> None:
    """Remove those of the images *names* that are there."""
    if names:
        subprocess.run(["docker", "rmi", "--force", *names], capture_output=True, check=False)


def installed_in(venv: Path) -> list[str]:
    """Words for ``make`` to use *venv*, in which all is installed already."""
    return [f"VENV={venv}", "-o", f"{venv}/.installed", f"PYTHON={sys.executable}"]
