"""``python -m service``: serve the model over HTTP."""

import faulthandler
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

from service import tracing
from service.errors import OwnerError
from service.logs import configure_logs, log
from service.settings import read_settings
from service.threads import limit_threads

if TYPE_CHECKING:
    from service.versions import MakePipeline


def main(make: "MakePipeline | None" = None) -> None:
    """Serve; a set-up that is wrong ends with one sentence and status 1."""
    faulthandler.enable()  # a crash in a library shows where it was
    for number in (signal.SIGINT, signal.SIGTERM):  # until the server listens for them
        signal.signal(number, lambda *_: os._exit(0))
    try:
        serve(make)
    except OwnerError as error:
        sys.exit(f"error: {error}")
    tracing.end()
    logging.shutdown()
    os._exit(0)  # a thread that still runs the model could crash an interpreter that ends


def serve(make: "MakePipeline | None" = None) -> None:
    """Serve until SIGTERM or SIGINT; ``OwnerError`` where a setting or the address is refused.

    Args:
        make: makes what answers; the model's pipeline when ``None``.
    """
    settings = read_settings()
    configure_logs(settings.log_level, settings.log_format)
    limit_threads(settings.numeric_threads)
    tracing.begin()
    # only: in-process
    if settings.device:
        os.environ["DEVICE"] = settings.device  # which may be from .env
    # end
    # Only now: a numeric library reads its limit when it is imported.
    from service.pipeline import Pipeline  # noqa: PLC0415
    from service.server import Server, listen  # noqa: PLC0415
    from service.versions import application  # noqa: PLC0415
    from service.web.access import Access  # noqa: PLC0415

    access = Access(settings)
    sockets = listen(settings.host, settings.port)
    if settings.metrics_port:
        sockets += listen(settings.host, settings.metrics_port, "METRICS_PORT")
    log.info("starting", model_dir=str(settings.model_dir))
    Server(application(settings, make or Pipeline), settings, access).run(sockets)


if __name__ == "__main__":
    main()
