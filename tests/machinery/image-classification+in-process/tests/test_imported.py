"""Models from elsewhere, imported, answer over HTTP as they did: one process serves all in turn."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import foreign
import pytest
from imports import Case, import_model, png
from processes import ROOT, Process, Start, starting

from service import manifest as manifests
from service.owner import network

pytest_plugins = ["import_fixtures"]
LEAST_CASES = 24
"""For each backend."""


@dataclass
class Served:
    """A service of the newest version in *models*, from the first one on."""

    models: Path
    start: Start
    process: Process | None = None

    def answer(self, picture: bytes) -> dict[str, Any]:
        """What the newest version answers, over HTTP."""
        if self.process is None:
            self.process = self.start()
            self.process.wait_until_ready()
        version = manifests.versions(self.models)[-1]
        manifests.choose(self.models, version)  # as "make use" does
        end = time.monotonic() + 60
        while True:
            status, body = self.process.ask("POST", "/predict", picture)
            assert status == HTTPStatus.OK, body
            answer: dict[str, Any] = json.loads(body)
            if answer["model"]["version"] == version:
                return answer
            assert time.monotonic() < end, f"Version {version} is not served."
            time.sleep(0.1)

    def assert_answers(self, case: Case) -> None:
        """The newest version's scores for the pictures are the original's."""
        for pixels, row in zip(case.images, case.scores, strict=True):
            found = {each["label"]: each["score"] for each in self.answer(png(pixels))["scores"]}
            assert found == pytest.approx(dict(zip(case.labels, row, strict=True)), abs=1e-4)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One service for all models."""
    folder = tmp_path_factory.mktemp("served")
    models = folder / "models" / "default"
    with starting(models, folder) as start:
        yield Served(models, start)


def test_the_command_that_owners_run_makes_what_is_served(served: Served, tmp_path: Path) -> None:
    case = foreign.write(tmp_path)
    arguments = ["import", str(case.path), "--model-dir", str(served.models)]
    for name, value in case.said.items():
        arguments += [f"--{name}", value]

    done = subprocess.run(
        [sys.executable, "-m", "service.lifecycle", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    served.assert_answers(case)


@pytest.mark.usefixtures("verified_here")
@pytest.mark.parametrize("name", foreign.CASES)
def test_the_answer_over_http_is_the_originals(
    name: str, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = foreign.CASES[name](tmp_path)
    if case.build is not None:
        monkeypatch.setattr(network, "build", case.build)

    assert import_model(case.path, served.models, **case.said) == 0

    served.assert_answers(case)


def test_there_are_enough_cases() -> None:
    assert len(foreign.CASES) >= LEAST_CASES
