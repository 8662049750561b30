"""What is the same for every model in this process: it is found, started, watched and drained."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from service import manifest as manifests
from service.executor import Executor
from service.logs import log
from service.manifest import ModelVersion
from service.metrics import Metrics
from service.model import LoadedModel, LoadModel, Model
from service.owner import Task
from service.settings import Settings


class HostedModel(ABC):
    """One version of a model, and the executor that runs it.

    Args:
        settings: which version, and how much at a time.
        metrics: where it counts.
        on_failure: told once when the model cannot be loaded.
        load: makes the model from its folder; called in the executor's thread.

    Raises:
        OwnerError: there is no such version.
    """

    executor: Executor[Any, Any]

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        on_failure: Callable[[Exception], None],
        load: LoadModel = Model,
    ) -> None:
        self.settings = settings
        self.metrics = metrics
        self.folder = manifests.find_version(settings.model_dir, settings.model_version)
        self.manifest = manifests.read(self.folder)
        self.task = Task(self.folder, self.manifest, settings)
        self.executor = self.make_executor(on_failure)
        self._load = load
        self._is_draining = False

    @abstractmethod
    def make_executor(self, on_failure: Callable[[Exception], None]) -> Executor[Any, Any]:
        """What runs the model; *on_failure* is for it."""

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

    def load_model(self, **options: Any) -> LoadedModel:
        """Load the model, and say so; for the executor's thread.

        Args:
            options: what else ``Model`` wants to know.
        """
        started = time.monotonic()
        model = self._load(
            self.folder,
            self.manifest,
            format_name=self.settings.model_format,
            threads=self.settings.numeric_threads,
            **options,
        )
        self._tell_ready(model.format_name, time.monotonic() - started)
        return model

    def _tell_ready(self, format_name: str, seconds: float) -> None:
        facts = self.manifest
        self.metrics.model_info.clear()
        self.metrics.model_info.labels(facts.name, facts.version, facts.task, format_name).set(1)
        log.info("ready", model=str(self.folder), seconds=round(seconds, 2))
