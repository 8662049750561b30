"""Environments for generated repositories: one a backend, kept between runs."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from matrix import COMBINATIONS, Combination, without_ci
from service import CACHE, clean_environ


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock *name* against other test processes."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def shared_environment(backend: str, baked: Callable[[Combination], Path]) -> Path:
    """The environment that holds the locks of all combinations with *backend*.

    The first repository installs it by its own ``make install``, the others' locks are added: they
    agree, as ``test_locks.py`` shows.
    """
    repos = [baked(each) for each in without_ci(COMBINATIONS) if each["backend"] == backend]
    made_of = [sys.version, *((repo / "requirements.lock").read_text() for repo in repos)]
    digest = hashlib.sha256("".join(made_of).encode()).hexdigest()[:16]
    venv = CACHE / f"env-{backend}-{digest}"
    with locked(f"env-{backend}"):
        if not (venv / ".complete").is_file():
            for old in CACHE.glob(f"env-{backend}-*"):
                shutil.rmtree(old)
            make = ["make", "install", f"VENV={venv}", f"PYTHON={sys.executable}"]
            subprocess.run(make, cwd=repos[0], env=clean_environ(), check=True)
            packages = [f"{venv}/bin/python", "tools/packages.py", str(venv), "run"]
            uv = [f"{venv}/bin/uv", "pip", "install", "--python", str(venv), "--no-deps"]
            locks = [word for repo in repos for word in ("-r", str(repo / "requirements.lock"))]
            subprocess.run([*packages, *uv, *locks], cwd=repos[0], check=True)
            (venv / ".complete").touch()
    return venv
