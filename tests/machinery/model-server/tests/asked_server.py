"""A model server with a true small model, and a client of it by each of its interfaces."""

from collections.abc import Iterator

import pytest
from model_servers import INTERFACES, RunningServer, running_server
from trained import make_model

from service.model_server import ModelServer


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("asked-server")
    with running_server(make_model(folder), folder) as server:
        yield server


@pytest.fixture(params=INTERFACES)
def url(request: pytest.FixtureRequest, server: RunningServer) -> str:
    return server.url_of(request.param)


@pytest.fixture
def client(server: RunningServer, url: str) -> Iterator[ModelServer]:
    client = ModelServer(server.as_settings(url), server.manifest())
    yield client
    client.close()
