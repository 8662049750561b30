"""What mypy knows of a backend's libraries: the same in all repositories, a minute's reading."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from locking import locked


@contextmanager
def libraries_known(venv: Path, repo: Path) -> Iterator[dict[str, str]]:
    """Variables with which mypy in *repo* has read the libraries of *venv* already.

    What it learns of more of them is kept with *venv*.
    """
    kept, lock = venv / ".mypy", f"mypy-{venv.name}"
    with TemporaryDirectory() as scratch:
        cache = Path(scratch) / "mypy"
        with locked(lock):
            if kept.is_dir():
                shutil.copytree(kept, cache)
        size = _size(cache)
        yield {"MYPY_CACHE_DIR": str(cache)}
        _forget(repo, cache)
        if _size(cache) > size:
            with locked(lock):
                shutil.rmtree(kept, ignore_errors=True)
                shutil.copytree(cache, kept)


def _forget(repo: Path, cache: Path) -> None:
    """Remove the modules of *repo* from *cache*: another repository's have the same names."""
    own = {path.stem for folder in ("src", "tests") for path in repo.glob(f"{folder}/*")}
    own |= {path.stem for path in (*repo.iterdir(), *repo.glob("*/*.py"))}
    for path in cache.glob("*/*.db"):
        with sqlite3.connect(path) as database:
            names = {name for (name,) in database.execute("SELECT path FROM files2")}
            gone = [(name,) for name in names if name.split("/")[0].split(".")[0] in own]
            database.executemany("DELETE FROM files2 WHERE path = ?", gone)
        database.close()


def _size(cache: Path) -> int:
    """How many modules *cache* holds."""
    found = 0
    for path in cache.glob("*/*.db"):
        database = sqlite3.connect(path)
        found += database.execute("SELECT count(*) FROM files2").fetchone()[0]
        database.close()
    return found
