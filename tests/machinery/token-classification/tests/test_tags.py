"""Tags of words become entities."""

import numpy as np
import pytest

from service.tags import Span, spans, tags_of


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ("", []),
        ("O O", []),
        ("B-PER", [Span("PER", 0, 0)]),
        ("O B-PER I-PER O", [Span("PER", 1, 2)]),
        ("B-PER B-PER", [Span("PER", 0, 0), Span("PER", 1, 1)]),
        ("O I-PER I-PER", [Span("PER", 1, 2)]),
        ("B-PER O I-PER", [Span("PER", 0, 0), Span("PER", 2, 2)]),
        ("B-PER I-PER E-PER S-PER", [Span("PER", 0, 2), Span("PER", 3, 3)]),
        ("B-LOC L-LOC U-LOC", [Span("LOC", 0, 1), Span("LOC", 2, 2)]),
        ("PER PER O LOC", [Span("PER", 0, 1), Span("LOC", 3, 3)]),
        ("X-RAY X-RAY", [Span("X-RAY", 0, 1)]),
        ("B-PER I-PER O B-LOC", [Span("PER", 0, 1), Span("LOC", 3, 3)]),
    ],
)
def test_tags_of_every_scheme_become_entities(tags: str, found: list[Span]) -> None:
    names = sorted({*tags.split(), "O", "B-PER"})
    certain = np.eye(len(names))[[names.index(tag) for tag in tags.split()]]

    assert spans(certain.reshape(-1, len(names)), names) == found


def test_all_words_of_an_entity_have_a_say_in_its_label() -> None:
    tags = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    probabilities = np.array(
        [
            [0.1, 0.5, 0.0, 0.4, 0.0],  # alone it would be a place
            [0.1, 0.0, 0.0, 0.0, 0.9],
            [0.6, 0.1, 0.1, 0.1, 0.1],
        ]
    )

    (span,) = spans(probabilities, tags)

    assert span[:3] == ("PER", 0, 1)
    assert span.score == pytest.approx(0.65)


def test_every_label_has_a_tag_for_its_first_word_and_one_for_the_others() -> None:
    assert tags_of(["LOC", "PER"]) == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
