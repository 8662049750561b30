"""What the repositories of all combinations have in their files, each content once."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from tree import files, text_of


@dataclass(frozen=True)
class File:
    """A file as some repositories have it.

    Args:
        name: its path in a repository.
        repo: the first that has it so.
        text: nothing where it is no text.
    """

    name: str
    repo: Path
    text: str

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.repo / self.name


class Contents:
    """The files of *repos*; those that are the same to the byte, at the same path, are one."""

    def __init__(self, repos: list[Path]) -> None:
        self.of: dict[Path, list[File]] = {repo: [] for repo in repos}
        known: dict[tuple[str, bytes], File] = {}
        for repo in repos:
            for path in files(repo):
                name = path.as_posix()
                digest = hashlib.sha256((repo / name).read_bytes()).digest()
                if (name, digest) not in known:
                    known[name, digest] = File(name, repo, text_of(repo / name))
                self.of[repo].append(known[name, digest])
        self.distinct = list(known.values())

    def matching(self, pattern: str) -> list[File]:
        """Those whose path fits *pattern*, in which an asterisk is any part of a path."""
        return [file for file in self.distinct if fnmatchcase(file.name, pattern)]

    def first_of(self, pattern: str) -> Iterator[tuple[Path, list[str]]]:
        """Each repository, with the paths of those files that it has first."""
        for repo, listed in self.of.items():
            names = [f.name for f in listed if f.repo == repo and fnmatchcase(f.name, pattern)]
            if names:
                yield repo, names
