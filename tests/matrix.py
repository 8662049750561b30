"""The combinations that the template offers, read from ``cookiecutter.json``.

An answer that is added there is tested from that moment.
"""

import json
import os
import re
from itertools import combinations, product
from pathlib import Path
from typing import Any, TypeAlias

from cookiecutter.environment import StrictEnvironment

ROOT = Path(__file__).resolve().parent.parent
SKELETON = ROOT / "{{cookiecutter.project_slug}}"
CONTEXT: dict[str, Any] = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
CHOICES: dict[str, list[str]] = {
    name: answers
    for name, answers in CONTEXT.items()
    if not name.startswith("_") and isinstance(answers, list)
}
"""Every question with its offered answers."""

Combination: TypeAlias = dict[str, str]
"""An answer to each question that brings layers."""

AXES = {
    name: CHOICES[name]
    for name in re.findall(r"cookiecutter\.(\w+)", CONTEXT["__features"])
    if name in CHOICES
}
"""In the order of ``__features``, which file names follow."""
COMBINATIONS: list[Combination] = [
    dict(zip(AXES, answers, strict=True)) for answers in product(*AXES.values())
]
LOCK_QUESTIONS = ("framework", "backend", "task", "serving")
"""The questions whose answers bring requirements."""


def features(combination: Combination) -> set[str]:
    """The answers of *combination*, and what they share with others."""
    answers = {**combination, "_shares": CONTEXT["_shares"]}
    return set(_FEATURES.render(cookiecutter=answers).split())


_FEATURES = StrictEnvironment().from_string(CONTEXT["__features"])


def name_of(combination: Combination) -> str:
    """The combination's answers, as test ids and golden files are called."""
    return "-".join(combination.values())


def starter_name(combination: Combination) -> str:
    """The answers that a starter depends on; a SavedModel has what its server asks for, too."""
    questions = ["backend", "task"]
    if combination["backend"] == "tensorflow":
        questions.append("serving")
    return "-".join(combination[question] for question in questions)


def without_ci(combinations: list[Combination]) -> list[Combination]:
    """The combinations whose Python differs: the first of each that differ only in their CI."""
    seen: dict[tuple[str, ...], Combination] = {}
    for combination in combinations:
        seen.setdefault(tuple(combination[name] for name in LOCK_QUESTIONS), combination)
    return list(seen.values())


def pairwise(rows: list[Combination]) -> list[Combination]:
    """As few of *rows* as have every pair of answers that *rows* have; greedy, so nearly so."""
    missing = pairs_of(rows)
    chosen: list[Combination] = []
    while missing:
        best = max(rows, key=lambda row: len(missing & pairs_of([row])))
        missing -= pairs_of([best])
        chosen.append(best)
    for row in list(chosen):  # later ones may have all that an earlier one was chosen for
        others = [other for other in chosen if other != row]
        if pairs_of(others) == pairs_of(rows):
            chosen = others
    return chosen


def pairs_of(rows: list[Combination]) -> set[tuple[tuple[str, str], ...]]:
    """Every two answers that a row of *rows* has together."""
    return {pair for row in rows for pair in combinations(row.items(), 2)}


ROWS = without_ci(COMBINATIONS)
"""The repositories that are trained, tested, served and built into images."""
if os.environ.get("ALL_COMBINATIONS") != "1":
    ROWS = pairwise(ROWS)


def one_per(question: str, rows: list[Combination] = ROWS) -> list[Combination]:
    """The first of *rows* with each answer to *question*."""
    return [next(row for row in rows if row[question] == answer) for answer in AXES[question]]


IMAGED = [
    row
    for serving in AXES["serving"]
    for row in one_per("backend", [row for row in ROWS if row["serving"] == serving])
]
"""Of these the image is built, once a backend and way of serving."""
if os.environ.get("ALL_COMBINATIONS") == "1":
    IMAGED = ROWS

EXECUTED = {
    "github-actions": ("flask", "pytorch", "image-classification", "in-process"),
    "gitlab-ci": ("django", "tensorflow", "text-classification", "model-server"),
    "jenkins": ("flask", "pytorch", "token-classification", "model-server"),
}
"""For each CI system, the repository whose pipeline is executed: all have images anyway."""
TRAINING = "github-actions"
"""The one whose pipeline trains and checks all; the others fetch what is trained already."""


def executed(ci: str) -> Combination:
    """The answers of the repository whose pipeline *ci* executes."""
    return dict(zip(AXES, (*EXECUTED[ci], ci), strict=True))
