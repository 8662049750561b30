"""The application as tests ask it: a real one, but for the network in its model."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication

import httpx
import pytest
from fake_version import write_fake_version
from fakes import FakeModel, fake_model

from service.metrics import Metrics
from service.pipeline import Pipeline
from service.settings import Settings
from service.threads import available_cpus, limit_threads
from service.web.app import create_app

limit_threads(available_cpus())  # before a test imports the machine-learning framework


@dataclass
class Service:
    """A running application and what a test may want to reach in it."""

    app: WSGIApplication
    client: httpx.Client
    pipeline: Pipeline
    metrics: Metrics
    model: type[FakeModel]
    failures: list[Exception]

    def wait_until_ready(self) -> None:
        """Return when /readyz says yes."""
        end = time.monotonic() + 10
        while self.client.get("/readyz").status_code != httpx.codes.OK:
            assert time.monotonic() < end, "The service did not become ready."
            time.sleep(0.002)


MakeService = Callable[..., Service]


@pytest.fixture
def make_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeService]:
    """Start an application with other settings than the defaults."""
    monkeypatch.chdir(tmp_path)  # no .env of the checkout
    started = []

    def make(*, load: Any = None, **settings: Any) -> Service:
        model_dir = tmp_path / "models" / "default"
        if not model_dir.exists():
            write_fake_version(model_dir)
        chosen = Settings(model_dir=model_dir, **settings)
        metrics = Metrics()
        model = fake_model()
        failures: list[Exception] = []
        pipeline = Pipeline(chosen, metrics, failures.append, load or model)
        app = create_app(pipeline, chosen, metrics)
        pipeline.start()
        client = httpx.Client(
            transport=httpx.WSGITransport(app=app), base_url="http://service.test"
        )
        service = Service(app, client, pipeline, metrics, model, failures)
        started.append(service)
        return service

    yield make
    for service in started:
        service.model.gate.set()
        service.pipeline.close()
        service.client.close()


@pytest.fixture
def service(make_service: MakeService) -> Service:
    """An application with default settings, ready."""
    service = make_service()
    service.wait_until_ready()
    return service
