"""Write the locks of all combinations, each by the generated repository's own ``make lock``.

Pins that still fit stay as they are; ``scripts/lock.py --upgrade`` takes the newest versions.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from service import clean_environ

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests"))

from matrix import COMBINATIONS, LOCK_QUESTIONS, SKELETON, Combination, without_ci  # noqa: E402


def folder_of(combination: Combination) -> Path:
    """The layer that holds the lock of *combination*."""
    answers = "+".join(combination[question] for question in LOCK_QUESTIONS)
    return SKELETON / "layers" / "+".join(LOCK_QUESTIONS) / answers


def nearest_lock(combination: Combination) -> Path | None:
    """A lock for the same backend to begin with, so that the locks of one backend agree."""
    answers = set(combination.values())
    others = [
        (len(answers & set(other.values())), folder_of(other) / "requirements.lock")
        for other in without_ci(COMBINATIONS)
        if other["backend"] == combination["backend"]
    ]
    found = [(shared, path) for shared, path in others if path.is_file()]
    return max(found)[1] if found else None


def lock(combination: Combination, scratch: Path, upgrade: str) -> None:
    """Bake *combination* in *scratch*, lock it there, and keep the lock."""
    # The slug stands in the lock's comments: take the package's name, true in every repository.
    answers = [f"{question}={answer}" for question, answer in combination.items()]
    bake = [sys.executable, "-m", "cookiecutter", "--no-input", "--default-config"]
    bake += ["-o", str(scratch), str(ROOT), *answers, "project_slug=service"]
    subprocess.run(bake, check=True)
    repo = scratch / "service"
    if not (repo / "requirements.lock").is_file() and (begun := nearest_lock(combination)):
        shutil.copy(begun, repo / "requirements.lock")
    make = ["make", "--silent", "lock", f"VENV={sys.prefix}", f"UPGRADE={upgrade}"]
    subprocess.run(make, cwd=repo, env=clean_environ(), check=True)
    folder_of(combination).mkdir(parents=True, exist_ok=True)
    shutil.copy(repo / "requirements.lock", folder_of(combination))
    if combination["backend"] == "pytorch":
        shutil.copy(repo / "requirements-cuda.lock", SKELETON / "layers" / "backend" / "pytorch")


if __name__ == "__main__":
    for each in without_ci(COMBINATIONS):
        print("locking", folder_of(each).name, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            lock(each, Path(folder), " ".join(sys.argv[1:]))
