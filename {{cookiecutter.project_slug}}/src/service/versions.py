"""The application that the server loads: the version that answers, until another is ready.

Each version has an application of its own, so that a request is answered by one version, from its
beginning to its end.
"""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

from service import manifest as manifests
from service.errors import OwnerError
from service.logs import configure_logs, log
from service.metrics import Metrics
from service.pipeline import Pipeline
from service.server import DRAIN_SIGNAL
from service.settings import Settings, read_settings
from service.web.app import create_app

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

OnFailure: TypeAlias = Callable[[Exception], None]
MakePipeline: TypeAlias = Callable[[Settings, Metrics, OnFailure], Pipeline]

_LOOK_SECONDS = 1.0
"""Between two looks at which version is chosen."""


def application(make: MakePipeline = Pipeline) -> "WSGIApplication":
    """Read the settings, start to load the model, and wire everything together.

    Raises:
        SystemExit: the owner's set-up is wrong; the log says how.
    """
    try:
        settings = read_settings()
        configure_logs(settings.log_level, settings.log_format)
        metrics = Metrics()
        versions = Versions(settings, metrics, _stop, make)
    except OwnerError as error:
        log.critical("cannot_start", reason=str(error))
        raise SystemExit(1) from None
    versions.start()
    threading.Thread(target=_announce, args=(versions, settings), daemon=True).start()
    if threading.current_thread() is threading.main_thread():
        signal.signal(DRAIN_SIGNAL, lambda *_: versions.drain())
        # Ctrl-C then reaches the parent alone, which stops this process. Two signals at once can be
        # lost: Python's main thread is woken by one and may sleep through the other.
        os.setpgrp()
        threading.Thread(target=_follow_parent, args=(os.getppid(),), daemon=True).start()
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
            is_wanted = manifests.chosen_version(settings.model_dir) == version
            if given_up or self._closed.is_set() or not is_wanted:
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


def _announce(versions: Versions, settings: Settings) -> None:
    """Log the address once the service is ready; a person opens it."""
    while not (versions.is_ready and _listens(settings.host, settings.port)):
        time.sleep(0.1)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    log.info("serving", address=f"http://{host}:{settings.port}")


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def _follow_parent(parent: int) -> None:
    """End this process when its *parent* has gone without a word, instead of serving on unseen."""
    while os.getppid() == parent:
        time.sleep(1)
    log.critical("parent_gone")
    os.kill(os.getpid(), signal.SIGTERM)


def _stop(error: Exception) -> None:
    """End this process, which cannot serve: whoever runs it then sees it, and may try again."""
    if isinstance(error, OwnerError):
        log.critical("cannot_load_model", reason=str(error))
    else:
        log.critical("cannot_load_model", exc_info=error)
    # Not a signal: this may come before the server listens for any.
    os._exit(1)
