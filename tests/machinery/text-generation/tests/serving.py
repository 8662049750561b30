"""The application behind a socket: in this process, or in one of its own as its users run it."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import WSGIApplication

from fake_version import write_fake_version
from fakes import slow_model
from processes import starting

from service.__main__ import main
from service.pipeline import Pipeline


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def served(app: WSGIApplication) -> Iterator[str]:
    """The address of *app*, which threads of this process serve."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.set_app(app)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def served_as_in_production(folder: Path) -> Iterator[str]:
    """The address of a service with a model that is slow, in a process of its own in *folder*."""
    write_fake_version(folder / "default")
    with starting(folder / "default", folder, (__file__,)) as start:
        process = start()
        process.wait_until_ready()
        yield f"http://127.0.0.1:{process.port}"


if __name__ == "__main__":
    slow = slow_model()
    main(lambda settings, metrics, on_failure: Pipeline(settings, metrics, on_failure, slow))
