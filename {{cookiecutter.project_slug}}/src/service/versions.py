"""The application that the server loads: the version that answers, until another is ready.

Each version has an application of its own, so that a request is answered by one version, from its
beginning to its end.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
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
MakePipeline: TypeAlias = Callable[[Settings, Metrics, OnFailure], Pipeline]

_LOOK_SECONDS = 1.0
"""Between two looks at which version is chosen."""


def application(settings: Settings, make: MakePipeline = Pipeline) -> "Versions":
    """Start to load the model, and wire everything together; exits where the set-up is wrong."""
    try:
        versions = Versions(settings, Metrics(), _stop, make)
    except OwnerError as error:
        log.critical("cannot_start", reason=str(error))
        raise SystemExit(1) from None
    versions.start()
    return versions


class Versions:
    """The application of the version that answers; a version in *settings* is never changed.

    Raises:
        OwnerError: there is no such version.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        on_failure: OnFailure,
        make: MakePipeline = Pipeline,
    ) -> None:
        self._make = make
        self._settings = settings
        self.metrics = metrics
        self._is_draining = False
        self._closed = threading.Event()
        self._given_up: list[int] = []  # when the files were written that cannot be served
        self._pipeline = make(settings, metrics, on_failure)
        self._app: WSGIApplication = create_app(self._pipeline, settings, metrics)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        return self._app(environ, start_response)

    def start(self) -> None:
        """Load the version, and follow the choice from now on; returns at once."""
        log.info("loading_model", version=self.version)
        self._pipeline.start()
        if self._settings.model_version is None:
            threading.Thread(target=self._follow, name="versions", daemon=True).start()

    def drain(self) -> None:
        self._is_draining = True
        self._pipeline.drain()

    def close(self) -> None:
        """Follow no more, and answer no more."""
        self._closed.set()
        self._pipeline.close()

    @property
    def is_ready(self) -> bool:
        return self._pipeline.is_ready

    @property
    def version(self) -> int:
        return self._pipeline.model_version.version

    def _follow(self) -> None:
        model_dir = self._settings.model_dir
        while not self._closed.wait(_LOOK_SECONDS) and not self._is_draining:
            written = _written(model_dir)
            if written == self._given_up:
                continue
            is_served = True
            try:
                chosen = manifests.chosen_version(model_dir)
                if chosen not in {None, self.version}:
                    manifests.find_version(model_dir, None)
                    is_served = self._switch(chosen)
            except Exception as error:  # noqa: BLE001  # the present version goes on answering
                reason = str(error) if isinstance(error, OwnerError) else repr(error)
                log.error("cannot_switch", reason=reason)
                is_served = False
            if not is_served:
                self._given_up = written

    def _switch(self, version: int | None) -> bool:
        """Let *version* take over once it is ready; false when it cannot be served."""
        settings = self._settings.model_copy(update={"model_version": version})
        failed = threading.Event()

        def on_failure(error: Exception) -> None:
            log.error("cannot_switch", version=version, reason=str(error))
            failed.set()

        pipeline = self._make(settings, self.metrics, on_failure)
        pipeline.start()
        while not pipeline.is_ready:
            given_up = failed.wait(0.1)
            is_wanted = manifests.chosen_version(settings.model_dir) == version
            if given_up or self._closed.is_set() or not is_wanted:
                pipeline.close()
                return not given_up
        former, self._pipeline = self._pipeline, pipeline
        self._app = create_app(pipeline, settings, self.metrics)
        if self._is_draining:
            pipeline.drain()
        log.info("switched", version=version, former=former.model_version.version)
        # Requests that the former version has begun to answer end by then.
        timer = threading.Timer(self._settings.request_timeout_seconds + 1, former.close)
        timer.daemon = True
        timer.start()
        return True


def _written(model_dir: Path) -> list[int]:
    """When the choice was written, and the files of what it chooses: some may still come."""
    paths = [model_dir / manifests.CURRENT]
    with contextlib.suppress(OwnerError):
        paths += sorted((model_dir / str(manifests.chosen_version(model_dir))).rglob("*"))
    with contextlib.suppress(FileNotFoundError):  # one that is just being replaced
        return [path.stat().st_mtime_ns for path in paths]
    return []


def _stop(error: Exception) -> None:
    """End this process, which cannot serve: whoever runs it then sees it, and may try again."""
    if isinstance(error, OwnerError):
        log.critical("cannot_load_model", reason=str(error))
    else:
        log.critical("cannot_load_model", exc_info=error)
    # Not a signal: this may come before the server listens for any.
    os._exit(1)
