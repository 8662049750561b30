"""The fixture of tests whose service sends traces from this process."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from collector import Collector, collecting

from service import tracing


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Collector]:
    """One to which this process sends."""
    monkeypatch.chdir(tmp_path)  # no .env of the checkout
    with collecting() as found:
        for name, value in found.settings.items():
            monkeypatch.setenv(name, value)
        tracing.begin()
        try:
            yield found
        finally:
            tracing.end()
