"""Tags of words <-> entities. Knows nothing of texts, tokens or models.

A tag is ``O`` for a word outside of every entity, or an entity's label behind a prefix: ``B-`` at
its first word, ``I-`` at the others (the IOB2 scheme of CoNLL-2003). Tags of other schemes are read
as well: ``S-`` and ``U-`` as ``B-``, ``E-`` and ``L-`` as ``I-``, and a label without a prefix as
``I-``.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

OUTSIDE = "O"
_BEGINS = {"B", "S", "U"}
_GOES_ON = {"I", "E", "L"}


class Span(NamedTuple):
    """An entity, by its words; ``score`` is how sure its label is, from 0 to 1."""

    label: str
    first: int
    last: int
    score: float = 1.0


def spans(probabilities: npt.NDArray[np.floating], tags: Sequence[str]) -> list[Span]:
    """The entities that probabilities of tags speak for.

    Words whose most likely tag is not ``O`` are in an entity; one begins at the first of them, and
    again where the most likely tag begins one. All words of an entity have a say in its label: it
    is the one with the highest mean probability, whatever the prefix.

    Args:
        probabilities: ``(words, tags)``.
        tags: in their order.
    """
    labels = sorted({label for _, label in map(_split, tags)} - {OUTSIDE})
    by_label = np.stack(
        [
            probabilities[:, [_split(tag)[1] == label for tag in tags]].sum(axis=1)
            for label in labels
        ],
        axis=1,
    )  # (words, labels)
    runs: list[tuple[int, int]] = []
    former = OUTSIDE
    for word, tag in enumerate(tags[index] for index in probabilities.argmax(axis=1)):
        if tag != OUTSIDE:
            if former != OUTSIDE and _split(tag)[0] not in _BEGINS:
                runs[-1] = (runs[-1][0], word)
            else:
                runs.append((word, word))
        former = tag
    found = []
    for first, last in runs:
        means = by_label[first : last + 1].mean(axis=0)
        found.append(Span(labels[means.argmax()], first, last, float(means.max())))
    return found


def tags_of(labels: Sequence[str]) -> list[str]:
    """All tags that words of entities with *labels* can have; the first is outside of all."""
    return [OUTSIDE, *(f"{prefix}-{label}" for label in labels for prefix in ("B", "I"))]


def _split(tag: str) -> tuple[str, str]:
    """Prefix and label."""
    prefix, dash, label = tag.partition("-")
    return (prefix, label) if dash and prefix in _BEGINS | _GOES_ON else ("", tag)
