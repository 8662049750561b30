"""Repositories rendered by cookiecutter, each once for all processes of a run."""

import json
import multiprocessing
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from cookiecutter.main import cookiecutter

from locking import locked_file
from matrix import AXES, COMBINATIONS, ROOT, Combination, name_of

Bake: TypeAlias = Callable[..., Path]
"""``bake(framework="django", ...)`` renders a repository and gives its folder."""
Baked: TypeAlias = Callable[[Combination], Path]
"""``baked(combination)`` gives the one repository of a combination, which is not to be changed."""

DEFAULT_SLUG = "digit-reader"
"""The folder that cookiecutter makes for the default answers."""


MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
"""Where folders are removed fastest: each rendering makes and removes those of all layers."""


def tracked_files() -> list[Path]:
    """What belongs to the template: files that git tracks, or would."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.check_output(command, cwd=ROOT, text=True).split("\0")
    return [Path(name) for name in sorted(set(filter(None, listed))) if (ROOT / name).is_file()]


def copy_template(to: Path, *without: str) -> Path:
    """Copy the template to the folder *to*, but for the files *without*."""
    for name in tracked_files():
        if name.as_posix() not in without:
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    return to


def render(template: Path, to: Path, **answers: str) -> Path:
    """A new repository of *template* in the folder *to*."""
    to.mkdir(parents=True, exist_ok=True)
    config = to / "cookiecutter.yaml"
    folders = {"cookiecutters_dir": f"{to}/.cookiecutters", "replay_dir": f"{to}/.replay"}
    config.write_text(json.dumps(folders), encoding="utf-8")
    made = cookiecutter(
        str(template),
        no_input=True,
        config_file=str(config),
        extra_context=answers,
        output_dir=str(to),
    )
    return Path(made)


@contextmanager
def silence() -> Iterator[None]:
    """Nothing to read from this process and its children."""
    kept = os.dup(1)
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        try:
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)


@dataclass(frozen=True)
class Bakes:
    """Repositories below a folder that all processes of a run share.

    Args:
        folder: has a copy of the template, and a folder for each combination that was rendered.
    """

    folder: Path

    @property
    def template(self) -> Path:
        """The template without the hook that reads the command line, which takes longest."""
        template = self.folder / "template"
        with locked_file(self.folder / "template.lock"):
            if not template.is_dir():
                scratch = copy_template(self.folder / "template.new", "hooks/pre_prompt.py")
                scratch.rename(template)
        return template

    def fresh(self, to: Path, **answers: str) -> Path:
        """A new repository in the folder *to*."""
        return render(self.template, to, **answers)

    def once(self, combination: Combination) -> Path:
        """The one repository of *combination*; not to be changed."""
        repo = self.folder / name_of(combination)
        with locked_file(self.folder / f"{repo.name}.lock"):
            if not repo.is_dir():
                with TemporaryDirectory(dir=MEMORY) as scratch:
                    made = self.fresh(Path(scratch), project_slug=DEFAULT_SLUG, **combination)
                    copied = shutil.copytree(made, f"{repo}.new", symlinks=True)
                Path(copied).rename(repo)
        return repo

    def all(self, combinations: Sequence[Combination] = COMBINATIONS) -> list[Path]:
        """The repositories of *combinations*, in their order, rendered side by side."""
        if not all((self.folder / name_of(each)).is_dir() for each in combinations):
            spawn = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(os.cpu_count(), mp_context=spawn) as pool:
                list(pool.map(self.once, combinations))
        return [self.folder / name_of(each) for each in combinations]

    def copy(self, to: Path, **answers: str) -> Path:
        """A repository in the folder *to*, to be changed at will."""
        if answers.keys() - AXES.keys():
            return self.fresh(to, **answers)
        combination = {name: answers.get(name, offered[0]) for name, offered in AXES.items()}
        return Path(shutil.copytree(self.once(combination), to / DEFAULT_SLUG, symlinks=True))
