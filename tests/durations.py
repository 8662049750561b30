"""How long tests take: which are to begin first, and last, and what each file's share was."""

import os
import time
from collections import defaultdict
from collections.abc import Iterable

import pytest

FOLDERS = ("docker", "render", "generated")
"""What a failure says most in comes first."""
HEAVIEST = (
    *("test_deploy", "test_pipelines", "test_gates", "test_image"),
    *("test_updates", "test_locks", "test_quality", "test_render"),
    *("test_machinery", "test_generated", "test_parity", "test_checkpoints"),
)
"""Modules with tests of minutes, or whose first test is; the longest first."""
BEGUN, MINUTES = "TEST_BEGUN", "TEST_MINUTES"
"""Variables: when the run began, and after how many minutes what is marked is left out, if set."""


def heaviest_first(item: pytest.Item) -> tuple[int, int]:
    """Where *item* comes in a run; those of equal rank stay in their order.

    What may be left out comes before the many light ones: they fill what else waits for it.
    """
    folder, module = item.path.parent.name, item.path.stem
    if item.get_closest_marker("last"):
        return FOLDERS.index("generated"), len(HEAVIEST)
    return (
        FOLDERS.index(folder) if folder in FOLDERS else len(FOLDERS),
        HEAVIEST.index(module) if module in HEAVIEST else len(HEAVIEST),
    )


def is_over() -> bool:
    """Whether the time of this run is over."""
    most = os.environ.get(MINUTES)
    return bool(most) and time.time() - float(os.environ[BEGUN]) > float(most or 0) * 60


def seconds_of_files(reports: Iterable[pytest.TestReport]) -> dict[str, float]:
    """The seconds that the tests of each file took with their fixtures, most first."""
    seconds: dict[str, float] = defaultdict(float)
    for report in reports:
        seconds[report.nodeid.partition("::")[0]] += report.duration
    return dict(sorted(seconds.items(), key=lambda each: -each[1]))
