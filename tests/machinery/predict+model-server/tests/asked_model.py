"""What the model of the asked server is known to answer."""

import pytest
from model_servers import RunningServer

from service import manifest as manifests
from service.manifest import Arrays


@pytest.fixture
def golden(server: RunningServer) -> tuple[Arrays, Arrays]:
    return manifests.read_golden(server.model_dir / "1")
