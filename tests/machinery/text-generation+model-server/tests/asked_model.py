"""What is known of the asked server's model."""

import pytest
from model_servers import RunningServer

from model.preprocess import Task
from service.manifest import Manifest


@pytest.fixture(scope="session")
def facts(server: RunningServer) -> Manifest:
    return server.manifest()


@pytest.fixture(scope="session")
def task(server: RunningServer, facts: Manifest) -> Task:
    return Task(server.model_dir / "1", facts, server.as_settings())
