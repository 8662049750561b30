"""What tests of rendered files share."""

from pathlib import Path

import pytest

from contents import Contents


@pytest.fixture(scope="session")
def contents(repos: list[Path]) -> Contents:
    """The files of all combinations' repositories."""
    return Contents(repos)
