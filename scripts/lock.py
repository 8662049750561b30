"""Write one lock for each backend, of what all repositories with it require.

``make lock`` of a generated repository writes it; the hook leaves in it what a repository requires.
Pins that still fit stay as they are; ``scripts/lock.py --upgrade`` takes the newest versions.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from service import clean_environ

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests"))

from matrix import AXES, COMBINATIONS, SKELETON, Combination, name_of, without_ci  # noqa: E402


def lock_of(backend: str) -> Path:
    """The lock that the layer of *backend* lays."""
    return SKELETON / "layers" / backend / "requirements.lock"


def bake(combination: Combination, scratch: Path) -> Path:
    """Render *combination* below *scratch*."""
    folder = scratch / name_of(combination)
    answers = [f"{question}={answer}" for question, answer in combination.items()]
    command = [sys.executable, "-m", "cookiecutter", "--no-input", "--default-config"]
    command += ["-o", str(folder), str(ROOT), *answers, "project_slug=service"]
    subprocess.run(command, check=True)
    return folder / "service"


def requirements_of(repo: Path) -> dict[str, Any]:
    """The part of the ``pyproject.toml`` in *repo* that ``make lock`` reads."""
    document = tomllib.loads((repo / "pyproject.toml").read_text(encoding="utf-8"))
    project = {
        name: document["project"][name]
        for name in ("name", "version", "requires-python", "dependencies")
    }
    return {
        "project": project,
        "dependency-groups": document["dependency-groups"],
        "tool": {"uv": document["tool"]["uv"]},
    }


def union(one: Any, other: Any) -> Any:
    """All that *one* and *other* say, where they contradict each other *one*."""
    if isinstance(one, dict):
        return other | {key: union(value, other.get(key, value)) for key, value in one.items()}
    if isinstance(one, list):
        return one + [item for item in other if item not in one]
    return one


def toml(value: Any) -> str:
    """*value* on one line of TOML, which writes all but tables as JSON does."""
    if isinstance(value, dict):
        return (
            f"{{{', '.join(f'{json.dumps(key)} = {toml(each)}' for key, each in value.items())}}}"
        )
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value)


def make_lock(repo: Path, upgrade: str = "") -> None:
    """Run ``make lock`` in *repo*."""
    make = ["make", "--silent", "lock", f"VENV={sys.prefix}", f"UPGRADE={upgrade}"]
    subprocess.run(make, cwd=repo, env=clean_environ(), check=True)


def lock(backend: str, scratch: Path, upgrade: str) -> None:
    """Write the lock of *backend*."""
    rows = [each for each in without_ci(COMBINATIONS) if each["backend"] == backend]
    repo, *others = [bake(each, scratch) for each in rows]
    required = requirements_of(repo)
    for other in others:
        required = union(required, requirements_of(other))
    text = "".join(f"{key} = {toml(value)}\n" for key, value in required.items())
    (repo / "pyproject.toml").write_text(text, encoding="utf-8")
    if lock_of(backend).is_file():
        shutil.copy(lock_of(backend), repo / "requirements.lock")
    make_lock(repo, upgrade)
    for written in repo.glob("requirements*.lock"):
        (layer,) = SKELETON.glob(f"layers/{backend}*/{written.name}")
        shutil.copy(written, layer)


if __name__ == "__main__":
    for each in AXES["backend"]:
        print("locking", each, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            lock(each, Path(folder), " ".join(sys.argv[1:]))
