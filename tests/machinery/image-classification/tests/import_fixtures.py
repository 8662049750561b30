"""Where imported versions go, and how they are verified without a process for each."""

from pathlib import Path

import pytest

from service.lifecycle import verify
from service.manifest import Artefact


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Where versions go."""
    return tmp_path / "models" / "default"


@pytest.fixture
def verified_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each artefact is reloaded in this process, not in a fresh one: the framework loads once."""

    def difference(_module: str, folder: Path, artefact: Artefact) -> str:
        return str(verify.difference_of(folder, artefact.format))

    monkeypatch.setattr(verify, "in_fresh_process", difference)
    monkeypatch.setenv("OPTIMISE", "0")
