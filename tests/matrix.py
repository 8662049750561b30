"""The combinations that the template offers, read from ``cookiecutter.json``.

An answer that is added there is tested from that moment.
"""

import json
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

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
    name: answers
    for name, answers in CHOICES.items()
    if f"cookiecutter.{name}" in CONTEXT["__answers"]
}
COMBINATIONS: list[Combination] = [
    dict(zip(AXES, answers, strict=True)) for answers in product(*AXES.values())
]
LOCK_QUESTIONS = ("framework", "backend", "task", "serving")
"""The questions whose answers bring requirements."""


def name_of(combination: Combination) -> str:
    """The combination's answers, as test ids and golden files are called."""
    return "-".join(combination.values())


def without_ci(combinations: list[Combination]) -> list[Combination]:
    """The combinations whose Python differs: the first of each that differ only in their CI."""
    seen: dict[tuple[str, ...], Combination] = {}
    for combination in combinations:
        seen.setdefault(tuple(combination[name] for name in LOCK_QUESTIONS), combination)
    return list(seen.values())


def one_per_backend() -> list[Combination]:
    """One combination for each backend, taking the frameworks in turn."""
    frameworks = AXES["framework"]
    return [
        next(
            combination
            for combination in COMBINATIONS
            if combination["backend"] == backend
            and combination["framework"] == frameworks[number % len(frameworks)]
        )
        for number, backend in enumerate(AXES["backend"])
    ]
