"""Which version of the model answers: another one takes over once it is ready.

Each version has an application of its own, so that a request is answered by one version, from its
beginning to its end.
"""

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

from service import manifest as manifests
from service.errors import OwnerError
from service.logs import log
from service.metrics import Metrics
from service.pipeline import Pipeline
from service.settings import Settings
from service.web.app import create_app

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

OnFailure: TypeAlias = Callable[[Exception], None]

_LOOK_SECONDS = 1.0
"""Between two looks at which version is chosen."""


class Versions:
    """The application of the version that answers.

    Args:
        settings: which model; where they name a version, it is never changed.
        metrics: where all versions count.
        on_failure: told once when the first version cannot be served.
        make: makes a version's pipeline.

    Raises:
        OwnerError: there is no such version.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        on_failure: OnFailure,
        make: Callable[[Settings, Metrics, OnFailure], Pipeline] = Pipeline,
    ) -> None:
        self._make = make
        self._settings = settings
        self._metrics = metrics
        self._is_draining = False
        self._closed = threading.Event()
        self._given_up = -1  # when a choice was written that cannot be served
        self._pipeline = make(settings, metrics, on_failure)
        self._app: WSGIApplication = create_app(self._pipeline, settings, metrics)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer one request, with the version that answers now."""
        return self._app(environ, start_response)

    def start(self) -> None:
        """Load the version, and follow the choice from now on; returns at once."""
        log.info("loading_model", version=self.version)
        self._pipeline.start()
        if self._settings.model_version is None:
            threading.Thread(target=self._follow, name="versions", daemon=True).start()

    def drain(self) -> None:
        """Say "not ready" from now on, but go on answering."""
        self._is_draining = True
        self._pipeline.drain()

    def close(self) -> None:
        """Follow no more, and answer no more."""
        self._closed.set()
        self._pipeline.close()

    @property
    def is_ready(self) -> bool:
        """The version that answers is loaded, and the service is not about to stop."""
        return self._pipeline.is_ready

    @property
    def version(self) -> int:
        """The version that answers."""
        return self._pipeline.model_version.version

    def _follow(self) -> None:
        choice = self._settings.model_dir / manifests.CURRENT
        while not self._closed.wait(_LOOK_SECONDS) and not self._is_draining:
            written = choice.stat().st_mtime_ns if choice.is_file() else 0
            if written == self._given_up:
                continue
            try:
                chosen = manifests.chosen_version(self._settings.model_dir)
                if chosen not in {None, self.version} and not self._switch(chosen):
                    self._given_up = written
            except Exception as error:  # noqa: BLE001  # the present version goes on answering
                reason = str(error) if isinstance(error, OwnerError) else repr(error)
                log.error("cannot_switch", reason=reason)
                self._given_up = written

    def _switch(self, version: int | None) -> bool:
        """Let *version* take over once it is ready; false when it cannot be served.

        Raises:
            OwnerError: there is no such version.
        """
        settings = self._settings.model_copy(update={"model_version": version})
        failed = threading.Event()

        def on_failure(error: Exception) -> None:
            log.error("cannot_switch", version=version, reason=str(error))
            failed.set()

        pipeline = self._make(settings, self._metrics, on_failure)
        pipeline.start()
        while not pipeline.is_ready:
            given_up = failed.wait(0.1)
            if given_up or self._closed.is_set() or self._has_changed(version):
                pipeline.close()
                return not given_up
        former, self._pipeline = self._pipeline, pipeline
        self._app = create_app(pipeline, settings, self._metrics)
        if self._is_draining:
            pipeline.drain()
        log.info("switched", version=version, former=former.model_version.version)
        # Requests that the former version has begun to answer end by then.
        timer = threading.Timer(self._settings.request_timeout_seconds + 1, former.close)
        timer.daemon = True
        timer.start()
        return True

    def _has_changed(self, version: int | None) -> bool:
        """Whether another version is chosen meanwhile."""
        return manifests.chosen_version(self._settings.model_dir) != version
