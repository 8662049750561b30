"""Environments for generated repositories: one a backend, kept between runs.

Run as a script, it makes those of all backends side by side.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

if __name__ == "__main__":
    folder = Path(__file__).resolve().parent
    sys.path += [str(folder.parent), str(folder.parents[1] / "scripts")]

from bakes import Baked, Bakes, silence
from locking import locked
from matrix import AXES, COMBINATIONS, without_ci
from service import CACHE, clean_environ


def shared_environment(backend: str, baked: Baked) -> Path:
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


def main() -> None:
    """Make the environments of all backends."""
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor() as pool:
        bakes = Bakes(Path(scratch))
        with silence():
            bakes.all(without_ci(COMBINATIONS))
        list(pool.map(lambda backend: shared_environment(backend, bakes.once), AXES["backend"]))


if __name__ == "__main__":
    main()
