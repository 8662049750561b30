"""Tags of words become entities."""

import numpy as np
import pytest

from service.tags import spans, tags_of

IOB2 = "O B-PER I-PER B-LOC I-LOC"


@pytest.mark.parametrize(
    ("known", "tags", "found"),
    [
        (IOB2, "O O", ""),
        (IOB2, "", ""),
        (IOB2, "B-PER", "PER 0 0"),
        (IOB2, "O B-PER I-PER O", "PER 1 2"),
        (IOB2, "B-PER B-PER", "PER 0 0, PER 1 1"),
        (IOB2, "O I-PER I-PER", "PER 1 2"),
        (IOB2, "B-PER O I-PER", "PER 0 0, PER 2 2"),
        (IOB2, "B-PER I-PER O B-LOC", "PER 0 1, LOC 3 3"),
        (IOB2, "B-PER I-LOC I-LOC", "PER 0 0, LOC 1 2"),
        ("O I-PER I-LOC B-PER", "I-PER B-PER I-LOC", "PER 0 0, PER 1 1, LOC 2 2"),  # IOB1
        ("O PER LOC", "PER PER LOC O LOC", "PER 0 1, LOC 2 2, LOC 4 4"),  # IO
        ("PER LOC", "PER LOC LOC", "PER 0 0, LOC 1 2"),  # nothing is outside
        ("O B-A I-A E-A S-A", "B-A I-A E-A S-A B-A E-A", "A 0 2, A 3 3, A 4 5"),  # BIOES
        ("O B-A I-A L-A U-A", "B-A L-A U-A", "A 0 1, A 2 2"),  # BILOU
        ("O B-A M-A E-A S-A", "B-A M-A E-A S-A", "A 0 2, A 3 3"),  # BMES
        ("o b-per i-per", "b-per i-per o b-per", "per 0 1, per 3 3"),
        ("O B_PER I_PER", "B_PER I_PER B_PER", "PER 0 1, PER 2 2"),
        ("O B-X-RAY I-X-RAY", "B-X-RAY I-X-RAY", "X-RAY 0 1"),
        ("O E-MAIL S-BAHN", "E-MAIL E-MAIL S-BAHN", "E-MAIL 0 1, S-BAHN 2 2"),
        ("O", "O O", ""),
    ],
)
def test_tags_of_every_scheme_become_entities(known: str, tags: str, found: str) -> None:
    names = known.split()
    certain = np.eye(len(names))[[names.index(tag) for tag in tags.split()]]

    entities = spans(certain.reshape(-1, len(names)), names)

    assert ", ".join(f"{each.label} {each.first} {each.last}" for each in entities) == found
    assert all(each.score == 1 for each in entities)


def test_a_score_is_the_mean_probability_of_the_label_whatever_the_prefix() -> None:
    probabilities = np.array([[0.1, 0.4, 0.3, 0.2, 0.0], [0.1, 0.0, 0.8, 0.0, 0.1]])

    (span,) = spans(probabilities, IOB2.split())

    assert span[:3] == ("PER", 0, 1)
    assert span.score == pytest.approx(0.75)


def test_every_label_has_a_tag_for_its_first_word_and_one_for_the_others() -> None:
    assert tags_of(["LOC", "PER"]) == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
