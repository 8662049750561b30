"""Versions of a model side by side: one takes over from another while requests come in."""

import shutil
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import samples
from asking import wait_for
from fake_version import write_fake_version
from fakes import fake_model
from load import asked_by

from service import manifest as manifests
from service import versions
from service.errors import OwnerError
from service.manifest import choose
from service.metrics import Metrics
from service.pipeline import Pipeline
from service.settings import Settings
from service.versions import OnFailure, Versions


class Running:
    """A service with two versions of a model, and the first chosen."""

    def __init__(self, model_dir: Path, **settings: Any) -> None:
        self.model_dir = model_dir
        self.model = fake_model()
        self.metrics = Metrics()
        self.failures: list[Exception] = []
        self.loads = 0
        self.versions = Versions(
            Settings(model_dir=model_dir, **settings),
            self.metrics,
            self.failures.append,
            self._make,
        )
        self.versions.start()
        self.client = httpx.Client(
            transport=httpx.WSGITransport(app=self.versions), base_url="http://service.test"
        )
        wait_for(lambda: self.client.get("/readyz").status_code == httpx.codes.OK)

    def _make(self, settings: Settings, metrics: Metrics, on_failure: OnFailure) -> Pipeline:
        self.loads += 1
        return Pipeline(settings, metrics, on_failure, self.model)

    def ask(self) -> httpx.Response:
        return self.client.post(samples.ROUTE, json=samples.BODY)

    def version(self) -> int:
        version: int = self.ask().json()["model"]["version"]
        return version


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(versions, "_LOOK_SECONDS", 0.02)
    model_dir = tmp_path / "default"
    write_fake_version(model_dir, 1)
    write_fake_version(model_dir, 2)
    choose(model_dir, 1)
    running = Running(model_dir)
    yield running
    running.model.gate.set()
    running.versions.close()


def test_a_switch_and_a_roll_back_lose_no_request(running: Running) -> None:
    answers: list[tuple[int, Any]] = []

    def ask() -> None:
        response = running.ask()
        answers.append((response.status_code, response.json().get("model")))

    with asked_by([ask] * 4):
        for version in (2, 1, 2):
            choose(running.model_dir, version)
            wait_for(partial(lambda wanted: running.version() == wanted, version))
            time.sleep(0.1)

    assert {status for status, _ in answers} == {httpx.codes.OK}
    assert {model["version"] for _, model in answers} == {1, 2}
    assert running.failures == []


def test_a_request_is_answered_by_the_version_that_it_began_with(running: Running) -> None:
    running.model.gate.clear()
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(running.ask()))
    asking.start()
    assert running.model.entered.wait(5)
    choose(running.model_dir, 2)
    time.sleep(0.1)
    running.model.gate.set()
    asking.join()
    wait_for(lambda: running.version() == 2)

    assert answers[0].json()["model"]["version"] == 1


def test_a_version_that_is_not_there_changes_nothing(running: Running) -> None:
    with pytest.raises(OwnerError, match=r"^VERSION is 3, .* It has: 1, 2."):
        choose(running.model_dir, 3)
    (running.model_dir / manifests.CURRENT).write_text("3\n")
    time.sleep(0.2)

    assert running.version() == 1
    assert running.client.get("/readyz").status_code == httpx.codes.OK
    choose(running.model_dir, 2)
    wait_for(lambda: running.version() == 2)


@pytest.fixture
def refusals(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Why the service could not switch, each time that it says so."""
    said: list[str] = []
    log = SimpleNamespace(
        info=lambda *_, **__: None, error=lambda _, reason, **__: said.append(reason)
    )
    monkeypatch.setattr(versions, "log", log)
    return said


def test_a_copy_of_a_version_under_another_number_is_refused_once(
    running: Running, refusals: list[str]
) -> None:
    shutil.copytree(running.model_dir / "1", running.model_dir / "3")
    (running.model_dir / manifests.CURRENT).write_text("3\n")
    wait_for(lambda: refusals != [])
    time.sleep(0.3)

    assert running.version() == 1
    assert running.loads == 1
    assert [said.partition(",")[0] for said in refusals] == [
        f'"{running.model_dir / "3"}" is version 1 by its manifest.json'
    ]


def test_a_version_that_is_completed_later_is_served_without_another_choice(
    running: Running, refusals: list[str]
) -> None:
    (running.model_dir / manifests.CURRENT).write_text("3\n")
    wait_for(lambda: refusals != [])
    assert refusals[0].startswith(f'"{running.model_dir / manifests.CURRENT}" says 3, which')
    assert "MODEL_VERSION" not in refusals[0]
    write_fake_version(running.model_dir, 3)

    wait_for(lambda: running.version() == 3)


def test_a_version_that_settings_name_stays(running: Running) -> None:
    pinned = Running(running.model_dir, model_version=2)
    choose(running.model_dir, 1)
    time.sleep(0.1)

    assert pinned.version() == 2
    pinned.versions.close()


def test_a_draining_service_switches_no_more(running: Running) -> None:
    running.versions.drain()
    choose(running.model_dir, 2)
    time.sleep(0.1)

    assert running.version() == 1
    assert running.client.get("/readyz").status_code == httpx.codes.SERVICE_UNAVAILABLE


@pytest.mark.parametrize("text", ["", "two", "-1", "1.0"])
def test_a_choice_that_is_no_number_is_refused_by_name(running: Running, text: str) -> None:
    path = running.model_dir / manifests.CURRENT
    path.write_text(text)

    with pytest.raises(OwnerError, match="current"):
        manifests.find_version(running.model_dir, None)
