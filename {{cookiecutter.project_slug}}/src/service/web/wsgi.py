"""The application as a WSGI server loads it, in the process that serves."""

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

from service.errors import OwnerError
from service.logs import configure_logs, log
from service.metrics import Metrics
from service.settings import Settings, read_settings
from service.web.drain import DRAIN_SIGNAL
from service.web.versions import Versions

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication


def application() -> "WSGIApplication":
    """Read the settings, start to load the model, and wire everything together.

    Raises:
        SystemExit: the owner's set-up is wrong; the log says how.
    """
    try:
        settings = read_settings()
        configure_logs(settings.log_level, settings.log_format)
        metrics = Metrics()
        versions = Versions(settings, metrics, on_failure=_stop)
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
        threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()
    return versions


def _announce(versions: Versions, settings: Settings) -> None:
    """Log the address once the service is ready; a person opens it."""
    while not versions.is_ready:
        time.sleep(0.1)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    log.info("serving", address=f"http://{host}:{settings.port}")


def _follow(parent: int) -> None:
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
