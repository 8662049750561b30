"""Copies of examples with other names in them, so that a network learns from what stands around.

"Mention replacement" (Dai and Adel, 2020, https://aclanthology.org/2020.coling-main.343).
"""

import random
from collections.abc import Sequence

from service.lifecycle.labelled import Labelled, Mark

COPIES = 10


def with_other_names(examples: Sequence[Labelled]) -> list[Labelled]:
    """Copies of *examples*, every entity replaced by one with its label from any example."""
    chance = random.Random(0)  # noqa: S311 - nothing secret
    names: dict[str, list[str]] = {}
    for example in examples:
        for mark in example.entities:
            names.setdefault(mark.label, []).append(example.text[mark.start : mark.end])
    return [
        _copy(example, names, chance)
        for _ in range(COPIES)
        for example in examples
        if example.entities
    ]


def _copy(example: Labelled, names: dict[str, list[str]], chance: random.Random) -> Labelled:
    text, marks, end = "", [], 0
    for mark in example.entities:
        text += example.text[end : mark.start]
        name = chance.choice(names[mark.label])
        marks.append(Mark(start=len(text), end=len(text) + len(name), label=mark.label))
        text += name
        end = mark.end
    return Labelled(text=text + example.text[end:], entities=tuple(marks))
