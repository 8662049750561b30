"""What is the same for every model behind a model server: it is watched over, and drained.

The service is ready when the server serves the version that this service speaks for, and has shown
by golden inputs that it is the same model.
"""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from service import manifest as manifests
from service.errors import NotReady
from service.logs import log
from service.manifest import ModelVersion
from service.metrics import Metrics
from service.model_server import ModelServer
from service.owner import Task
from service.server_errors import ServerError
from service.server_interface import Connect
from service.settings import Settings
from service.upstream import Upstream

_WATCH_SECONDS = 1.0
"""Between two probes of a server that is well."""
_SEARCH_SECONDS = 0.2
"""Between two probes of one that is not."""
PROBE_SECONDS = 2.0
"""After so long a probe has failed."""
_MOST_MISSES = 1
"""Probes of a server that was well that may fail in a row: one may meet a moment's hitch."""


class WrongModel(Exception):
    """The model server answers golden inputs otherwise than the exported model did."""


class HostedModel(ABC):
    """One version of a model behind a model server.

    Args:
        settings: which version, and where the server is.
        metrics: where it counts.
        on_failure: told once when a fault of ours has ended the watch.
        connect: makes the server's client.

    Raises:
        OwnerError: there is no such version.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        on_failure: Callable[[Exception], None],
        connect: Connect = ModelServer,
    ) -> None:
        self.settings = settings
        self.metrics = metrics
        self.folder = manifests.find_version(settings.model_dir, settings.model_version)
        self.manifest = manifests.read(self.folder)
        self.task = Task(self.folder, self.manifest, settings)
        self.server = connect(settings, self.manifest)
        self.upstream = Upstream(
            metrics,
            failures=settings.circuit_failures,
            patience_seconds=settings.request_timeout_seconds / 2,
        )
        self._on_failure = on_failure
        self._is_known = False  # as the right model, since it was last seen ill
        self._misses = 0  # probes that have failed in a row
        self._is_draining = False
        self._closed = threading.Event()
        self._reason = ""
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)

    def start(self) -> None:
        """Begin to watch over the server; returns at once."""
        self._thread.start()

    def drain(self) -> None:
        """Say "not ready" from now on, but go on answering."""
        self._is_draining = True
        log.info("draining")

    def close(self) -> None:
        """Stop calling the server."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()
        self.server.close()

    @property
    def is_live(self) -> bool:
        """The watch goes on. A server that is ill is no reason to restart this process."""
        return self._thread.is_alive()

    @property
    def is_ready(self) -> bool:
        """The server has the right model and is well, and the service is not about to stop."""
        return self._is_known and not self.upstream.breaker.is_open and not self._is_draining

    @property
    def is_draining(self) -> bool:
        """The service is about to stop."""
        return self._is_draining

    @property
    def model_version(self) -> ModelVersion:
        """Which model answers."""
        return self.manifest.model_version

    @property
    def format_name(self) -> str:
        """Which of the model's artefacts the server runs."""
        return self.manifest.artefacts[0].format

    def check_known(self) -> None:
        """Make sure that the server may be called.

        Raises:
            NotReady: it has not shown yet that it has the right model.
            ModelServerUnavailable: it is ill.
        """
        self.upstream.check()
        if not self._is_known:
            raise NotReady("The model server is not ready.", retry_after_seconds=1)

    @abstractmethod
    def check_model(self) -> None:
        """See whether the server has the model that was exported.

        Raises:
            ServerError: the call failed, or the answer is invalid.
            WrongModel: it has another.
        """

    def _watch(self) -> None:
        try:
            while not self._closed.is_set():
                self._look()
                well = self._is_known and not self._misses and not self.upstream.breaker.is_open
                self._closed.wait(_WATCH_SECONDS if well else _SEARCH_SECONDS)
        except Exception as error:  # noqa: BLE001  # a bug; /livez fails from now on
            self._on_failure(error)

    def _look(self) -> None:
        """Probe the server once, and let readiness and circuit follow what is found."""
        started = time.monotonic()
        breaker = self.upstream.breaker
        try:
            if not self.server.is_ready(timeout_seconds=PROBE_SECONDS):
                self._miss("the model server does not serve this version")
                return
            if not self._is_known or breaker.is_open:
                self.check_model()
                breaker.close()
                self._find(time.monotonic() - started)
            self._misses = 0
        except ServerError as error:
            self._miss(str(error))
        except WrongModel as error:
            self._lose(f"the model server has another model: {error}")
        finally:
            self.metrics.circuit_open.set(breaker.is_open)

    def _find(self, seconds: float) -> None:
        self._is_known = True
        self._reason = ""
        facts = self.manifest
        labels = (facts.name, facts.version, facts.task, self.format_name)
        self.metrics.model_info.clear()
        self.metrics.model_info.labels(*labels).set(1)
        log.info("ready", model=str(self.folder), seconds=round(seconds, 2))

    def _miss(self, reason: str) -> None:
        """Count a probe that failed; too many in a row lose the server."""
        self._misses += 1
        if not self._is_known or self._misses > _MOST_MISSES:
            self._lose(reason)

    def _lose(self, reason: str) -> None:
        if self._is_known:
            self.upstream.breaker.open()
        self._is_known = False
        if reason != self._reason:
            log.warning("model_server_not_ready", model=str(self.folder), reason=reason)
        self._reason = reason
