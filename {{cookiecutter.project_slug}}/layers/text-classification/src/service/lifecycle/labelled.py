"""Texts with their labels, as they lie in files."""

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sklearn.model_selection import train_test_split

from service.errors import BadValue, OwnerError
from service.settings import MAX_TEXT_CHARACTERS
from service.text import read_text

HELD_OUT_SHARE = 0.25
SPLIT_SEED = 0
"""Fixed, whatever the training's seed, so that candidates are judged by the same examples."""

FEWEST_TEXTS = 8
"""A label with fewer texts is refused: too few to learn from and to be judged by."""


class Labelled(NamedTuple):
    """One example."""

    text: str
    label: str


def read(path: Path) -> tuple[list[Labelled], list[Labelled]]:
    """Examples to learn from, and held-out ones.

    *path* is a CSV file, or a folder with ``train.csv`` and perhaps ``held-out.csv``.
    """
    file = path / "train.csv" if path.is_dir() else path
    train = _read_csv(file)
    _refuse_too_few(file, train)
    held_out_file = path / "held-out.csv"
    if not held_out_file.is_file():
        labels = [example.label for example in train]
        first, second = train_test_split(
            train, test_size=HELD_OUT_SHARE, stratify=labels, random_state=SPLIT_SEED
        )
        return first, second
    held_out = _read_csv(held_out_file)
    known = {example.label for example in train}
    for example in held_out:
        if example.label not in known:
            raise OwnerError(
                f'"{held_out_file}" has the label {example.label!r}, which "{file}" does not have.'
            )
    texts = {example.text for example in train}
    if shared := [example.text for example in held_out if example.text in texts]:
        raise OwnerError(
            f'"{held_out_file}" shares {len(shared)} texts with "{file}", so it would judge by '
            f"what was learnt. Remove them from one, first: {shared[0][:80]!r}."
        )
    return train, held_out


def _read_csv(path: Path) -> list[Labelled]:
    """The rows of *path*, without those that say the same again."""
    if not path.is_file():
        raise OwnerError(
            f'There is no file "{path}". --data takes a CSV file with the columns "text" and '
            f'"label", or a folder with such a file "train.csv".'
        )
    examples: dict[str, Labelled] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            missing = {"text", "label"} - set(rows.fieldnames or ())
            if missing:
                raise OwnerError(
                    f'"{path}" has no column {" and no column ".join(sorted(missing))}; its first '
                    f'line must name "text" and "label".'
                )
            for row in rows:
                if None in row:
                    raise OwnerError(
                        f'"{path}", line {rows.line_num}: more columns than the first line names. '
                        f"Put a text or label with a comma in double quotes."
                    )
                example = _labelled(f'"{path}", line {rows.line_num}', row["text"], row["label"])
                former = examples.setdefault(example.text, example)
                if former.label != example.label:
                    raise OwnerError(
                        f'"{path}", line {rows.line_num}: the text has the label '
                        f"{example.label!r} here and {former.label!r} before. Remove one."
                    )
    except (csv.Error, UnicodeDecodeError) as error:
        raise OwnerError(f'"{path}" is not a CSV file in UTF-8: {error}.') from None
    return list(examples.values())


def _labelled(where: str, text: str | None, label: str | None) -> Labelled:
    try:
        known = read_text(text or "", max_characters=MAX_TEXT_CHARACTERS)
    except BadValue as error:
        raise OwnerError(f"{where}: {error}. Mend or remove it.") from None
    if not label or not label.strip():
        raise OwnerError(f"{where}: the label is empty. Mend or remove it.")
    return Labelled(known, label.strip())


def _refuse_too_few(path: Path, examples: Sequence[Labelled]) -> None:
    counts = Counter(example.label for example in examples)
    if len(counts) < 2:  # noqa: PLR2004 - one label is no choice
        raise OwnerError(f'"{path}" has {len(counts)} labels; at least 2 are needed.')
    for label, count in counts.items():
        if count < FEWEST_TEXTS:
            raise OwnerError(
                f'"{path}" has {count} texts with the label {label!r}; at least {FEWEST_TEXTS} '
                f"per label are needed. Add some, or remove the label."
            )
