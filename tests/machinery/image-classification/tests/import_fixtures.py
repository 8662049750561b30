"""Where imported versions go."""

from pathlib import Path

import pytest

pytest_plugins = ["verify_fixtures"]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Where versions go."""
    return tmp_path / "models" / "default"
