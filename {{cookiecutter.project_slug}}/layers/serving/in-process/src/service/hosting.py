"""What is the same for every model in this process: it is found, started, watched and drained."""

from typing import Any

from service import manifest as manifests
from service.executor import Executor
from service.logs import log
from service.manifest import ModelVersion
from service.metrics import Metrics
from service.settings import Settings


class HostedModel:
    """One version of a model, and the executor that runs it.

    Args:
        settings: which version.
        metrics: where it counts.

    Raises:
        OwnerError: there is no such version.
    """

    executor: Executor[Any, Any]
    """Set by the class that knows what it runs."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.folder = manifests.find_version(settings.model_dir, settings.model_version)
        self.manifest = manifests.read(self.folder)
        self._is_draining = False

    def start(self) -> None:
        """Load the model in the executor's thread; returns at once."""
        self.executor.start()

    def drain(self) -> None:
        """Say "not ready" from now on, but go on answering."""
        self._is_draining = True
        log.info("draining")

    def close(self) -> None:
        """Answer what waits, then stop."""
        self.executor.close()

    @property
    def is_live(self) -> bool:
        """The executor runs and is not stuck."""
        return self.executor.is_alive and self.executor.busy_seconds < self.settings.stuck_seconds

    @property
    def is_ready(self) -> bool:
        """The model is loaded and warm, and the service is not about to stop."""
        return self.executor.is_ready and not self._is_draining

    @property
    def is_draining(self) -> bool:
        """The service is about to stop."""
        return self._is_draining

    @property
    def model_version(self) -> ModelVersion:
        """Which model answers."""
        return self.manifest.model_version

    def tell_ready(self, format_name: str, seconds: float) -> None:
        """Say that the artefact in *format_name* was loaded, within *seconds*."""
        facts = self.manifest
        self.metrics.model_info.clear()
        self.metrics.model_info.labels(facts.name, facts.version, facts.task, format_name).set(1)
        log.info("ready", model=str(self.folder), seconds=round(seconds, 2))
