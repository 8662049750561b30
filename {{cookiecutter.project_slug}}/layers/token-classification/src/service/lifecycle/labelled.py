"""Texts with their entities, as they lie in files."""

import random
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sklearn.model_selection import train_test_split

from service.errors import BadValue, OwnerError, first_fault
from service.settings import MAX_TEXT_CHARACTERS
from service.text import read_text

HELD_OUT_SHARE = 0.25
SPLIT_SEED = 0
"""Fixed, whatever the training's seed, so that candidates are judged by the same examples."""

FEWEST_TEXTS = 20
"""Fewer are refused: too few to learn from and to be judged by."""

COPIES = 10
"""Of a text with entities, each with other names."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Mark(_Record):
    """One entity: its first character, the one behind its last, in code points, and its label."""

    start: int = Field(ge=0)
    end: int
    label: str = Field(min_length=1)


class Labelled(_Record):
    """One example; entities in the order of the text."""

    text: str
    entities: tuple[Mark, ...] = Field(strict=False)


def read(path: Path) -> tuple[list[Labelled], list[Labelled]]:
    """Examples to learn from, and held-out ones.

    *path* is JSON Lines, or a folder with ``train.jsonl`` and perhaps ``held-out.jsonl``.
    """
    file = path / "train.jsonl" if path.is_dir() else path
    train = _read_lines(file)
    if len(train) < FEWEST_TEXTS:
        raise OwnerError(
            f'"{file}" has {len(train)} texts; at least {FEWEST_TEXTS} are needed. Add some.'
        )
    if not labels_in(train):
        raise OwnerError(f'"{file}" has no entities, so there is nothing to find. Add some.')
    held_out_file = path / "held-out.jsonl"
    if not held_out_file.is_file():
        first, second = train_test_split(train, test_size=HELD_OUT_SHARE, random_state=SPLIT_SEED)
        return first, second
    held_out = _read_lines(held_out_file)
    texts = {example.text for example in train}
    if shared := [example.text for example in held_out if example.text in texts]:
        raise OwnerError(
            f'"{held_out_file}" shares {len(shared)} texts with "{file}", so it would judge by '
            f"what was learnt. Remove them from one, first: {shared[0][:80]!r}."
        )
    return train, held_out


def labels_in(examples: Sequence[Labelled]) -> list[str]:
    """The labels of all entities, in order."""
    return sorted({mark.label for example in examples for mark in example.entities})


def _read_lines(path: Path) -> list[Labelled]:
    """The examples in *path*, without texts that are there already."""
    if not path.is_file():
        raise OwnerError(
            f'There is no file "{path}". --data takes a file in JSON Lines, or a folder with such '
            f'a file "train.jsonl".'
        )
    examples: dict[str, Labelled] = {}
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if line.strip():
            example = _labelled(f'"{path}", line {number}', line)
            examples.setdefault(example.text, example)
    return list(examples.values())


def _labelled(where: str, line: bytes) -> Labelled:
    try:
        example = Labelled.model_validate_json(line)
        read_text(example.text, max_characters=MAX_TEXT_CHARACTERS)
    except ValidationError as error:
        raise OwnerError(
            f"{where}: {first_fault(error, 'the line')}. A line must be like "
            '{"text": "Ada left.", "entities": [{"start": 0, "end": 3, "label": "PER"}]}.'
        ) from None
    except BadValue as error:
        raise OwnerError(f"{where}: {error}. Mend or remove it.") from None
    end = 0
    for mark in example.entities:
        if not end <= mark.start < mark.end <= len(example.text):
            raise OwnerError(
                f"{where}: an entity is at {mark.start} to {mark.end}. Entities are inside "
                f"the text of {len(example.text)} characters, in order, and do not overlap."
            )
        end = mark.end
    return example


def with_other_names(examples: Sequence[Labelled]) -> list[Labelled]:
    """Copies of *examples*, every entity replaced by one with its label from any example.

    So that a network learns from what stands around: "mention replacement" (Dai and Adel, 2020,
    https://aclanthology.org/2020.coling-main.343).
    """
    chance = random.Random(0)  # noqa: S311 - nothing secret
    names: dict[str, list[str]] = {}
    for example in examples:
        for mark in example.entities:
            names.setdefault(mark.label, []).append(example.text[mark.start : mark.end])
    marked = [example for example in examples if example.entities]
    return [_copy(example, names, chance) for _ in range(COPIES) for example in marked]


def _copy(example: Labelled, names: dict[str, list[str]], chance: random.Random) -> Labelled:
    text, marks, end = "", [], 0
    for mark in example.entities:
        text += example.text[end : mark.start]
        name = chance.choice(names[mark.label])
        marks.append(Mark(start=len(text), end=len(text) + len(name), label=mark.label))
        text += name
        end = mark.end
    return Labelled(text=text + example.text[end:], entities=tuple(marks))
