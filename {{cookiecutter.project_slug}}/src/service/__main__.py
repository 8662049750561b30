"""``python -m service``: serve the model over HTTP."""

import sys

from service.errors import OwnerError
from service.logs import configure_logs, log
from service.settings import read_settings
from service.threads import limit_threads


def main() -> None:
    """Serve; a set-up that is wrong ends with one sentence and status 1."""
    try:
        serve()
    except OwnerError as error:
        sys.exit(f"error: {error}")


def serve() -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        OwnerError: a setting is not accepted, or the address is taken.
    """
    settings = read_settings()
    configure_logs(settings.log_level, settings.log_format)
    limit_threads(settings.numeric_threads)
    # Only now: a numeric library reads its limit when it is imported.
    from service.server import Server, check_address  # noqa: PLC0415

    check_address(settings.host, settings.port)
    log.info("starting", model_dir=str(settings.model_dir))
    Server(settings).serve()


if __name__ == "__main__":
    main()
