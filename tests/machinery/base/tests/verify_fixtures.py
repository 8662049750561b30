"""What tests ask for that only need versions to be verified."""

import pytest
from verifying import here

from service.lifecycle import verify


@pytest.fixture
def verified_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let versions be verified in this process, and what is exported first be served."""
    monkeypatch.setattr(verify, "in_fresh_process", here)
    monkeypatch.setenv("OPTIMISE", "0")
