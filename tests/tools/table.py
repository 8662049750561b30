"""The golden list: each file that repositories have, with the answers that bring it.

``src/service/web/app.py: flask | django+jenkins`` is there where the web framework is Flask, and
where it is Django while the CI system is Jenkins. It knows no layers, so it stays the same when
they are moved.
"""

from collections import defaultdict
from functools import cache
from itertools import product
from pathlib import Path

from matrix import AXES, COMBINATIONS, name_of
from tree import files, is_executable

ALL = "all"


def answers_of(having: frozenset[str]) -> str:
    """The shortest words for the combinations *having*, given by their names."""
    left, words = set(having), []
    for answers, found in _conjunctions():
        if found <= having and found & left:
            left -= found
            words.append("+".join(answers) or ALL)
        if not left:
            break
    return " | ".join(words)


@cache
def _conjunctions() -> list[tuple[tuple[str, ...], frozenset[str]]]:
    """Every choice of answers with the combinations that have them, fewest answers first."""
    found = []
    for chosen in product(*((None, *answers) for answers in AXES.values())):
        answers = tuple(filter(None, chosen))
        having = (name_of(each) for each in COMBINATIONS if set(answers) <= set(each.values()))
        found.append((answers, frozenset(having)))
    return sorted(found, key=lambda each: (len(each[0]), -len(each[1]), each[0]))


def table(repos: list[Path]) -> str:
    """One line a file of *repos*, which are those of all combinations; * is for executable."""
    having: dict[str, set[str]] = defaultdict(set)
    for combination, repo in zip(COMBINATIONS, repos, strict=True):
        for name in files(repo):
            mark = "*" if is_executable(repo / name) else ""
            having[f"{name.as_posix()}{mark}"].add(name_of(combination))
    lines = [f"{name}: {answers_of(frozenset(names))}\n" for name, names in sorted(having.items())]
    return "".join(lines)
