"""Tags of words <-> entities. Knows nothing of texts, tokens or models.

A tag is ``O`` for a word outside of every entity, or an entity's label behind a prefix: ``B-`` at
its first word, ``I-`` at the others (the IOB2 scheme of CoNLL-2003). Tags of other schemes are read
as well: ``S-`` and ``U-`` as ``B-``; ``E-``, ``L-`` and ``M-`` as ``I-``; in lower case, and with
``_`` for ``-``. Where no tag has ``B-`` or ``I-``, each is a label as it stands (``E-MAIL``).
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

OUTSIDE = "O"
_PREFIXED = re.compile("([BSUIELM])[-_](.+)", re.IGNORECASE)
_BEGINS = set("BSU")


class Span(NamedTuple):
    """An entity, by its words; ``score`` is how sure its label is, from 0 to 1."""

    label: str
    first: int
    last: int
    score: float = 1.0


def spans(probabilities: npt.NDArray[np.floating], tags: Sequence[str]) -> list[Span]:
    """The entities that probabilities of tags speak for.

    Words in a row whose most likely tags have the same label are an entity; a tag that begins one
    begins another. So does ``aggregation_strategy="simple"`` in Hugging Face's transformers.

    Args:
        probabilities: ``(words, tags)``.
        tags: in their order.
    """
    known = _read(tags)
    found: list[Span] = []
    former = OUTSIDE
    for word, index in enumerate(probabilities.argmax(axis=1)):
        begins, label = known[index]
        if label == former != OUTSIDE and not begins:
            found[-1] = found[-1]._replace(last=word)
        elif label != OUTSIDE:
            found.append(Span(label, word, word))
        former = label
    return [span._replace(score=_score(span, probabilities, known)) for span in found]


def _score(
    span: Span, probabilities: npt.NDArray[np.floating], known: Sequence[tuple[bool, str]]
) -> float:
    """The mean probability of the label over the words, whatever the prefix."""
    has_label = [label == span.label for _, label in known]
    return float(probabilities[span.first : span.last + 1, has_label].sum(axis=1).mean())


def tags_of(labels: Sequence[str]) -> list[str]:
    """All tags that words of entities with *labels* can have; the first is outside of all."""
    return [OUTSIDE, *(f"{prefix}-{label}" for label in labels for prefix in ("B", "I"))]


def _read(tags: Sequence[str]) -> list[tuple[bool, str]]:
    """For each tag whether it begins an entity, and its label."""
    matches = [_PREFIXED.fullmatch(tag) for tag in tags]
    has_scheme = any(match and match[1].upper() in {"B", "I"} for match in matches)
    return [
        (match[1].upper() in _BEGINS, match[2])
        if match and has_scheme
        else (False, OUTSIDE if tag.upper() == OUTSIDE else tag)
        for tag, match in zip(tags, matches, strict=True)
    ]
