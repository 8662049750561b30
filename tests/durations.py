"""How long tests take: which are to begin first, and what each file's share was."""

from collections import defaultdict
from collections.abc import Iterable

import pytest

HEAVIEST = (
    *("test_deploy", "test_pipelines", "test_gates", "test_image"),
    *("test_machinery", "test_generated", "test_parity", "test_updates", "test_checkpoints"),
    *("test_pins", "test_locks", "test_quality", "test_render"),
)
"""Modules with tests of minutes, or whose first test is; the longest first."""


def heaviest_first(item: pytest.Item) -> int:
    """Where *item* comes in a run; those of equal rank stay in their order."""
    module = item.path.stem
    return HEAVIEST.index(module) if module in HEAVIEST else len(HEAVIEST)


def seconds_of_files(reports: Iterable[pytest.TestReport]) -> dict[str, float]:
    """The seconds that the tests of each file took with their fixtures, most first."""
    seconds: dict[str, float] = defaultdict(float)
    for report in reports:
        seconds[report.nodeid.partition("::")[0]] += report.duration
    return dict(sorted(seconds.items(), key=lambda each: -each[1]))
