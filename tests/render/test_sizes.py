"""Nothing grows: repositories and the template are within the limits of ``scripts/sizes.py``."""

from bakes import Bakes
from sizes import GOALS, measure, table, too_large


def test_nothing_is_larger_than_its_limit(bakes: Bakes) -> None:
    found = measure(bakes)

    assert too_large(found) == []
    assert min(size for sizes in found.values() for size in sizes.values()) > 0
    assert all(name in table(found) for row in GOALS for name in GOALS[row])


def test_what_grows_is_named_with_its_limit() -> None:
    larger = {
        row: {name: limit.accepted + 1 for name, limit in GOALS[row].items()} for row in GOALS
    }

    sentences = too_large(larger)

    assert len(sentences) == sum(map(len, GOALS.values()))
    limit = GOALS["the template"]["layers"].accepted
    assert f"the template: {limit + 1} layers, and {limit} are accepted: " in "\n".join(sentences)
