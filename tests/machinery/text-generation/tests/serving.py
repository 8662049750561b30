"""The application behind a socket: in this process, or in one of its own as its users run it."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import WSGIApplication

from fake_version import write_fake_version
from fakes import slow_model
from processes import ROOT, Process, free_port

from service.metrics import Metrics
from service.pipeline import Pipeline
from service.settings import read_settings
from service.web.app import create_app


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
def served_by_granian(folder: Path) -> Iterator[str]:
    """The address of :func:`application`, which a process of its own serves.

    Args:
        folder: where the process runs, and where it finds its model.
    """
    model_dir = folder / "default"
    write_fake_version(model_dir)
    port = free_port()
    options = ["--interface", "wsgi", "--factory", "--blocking-threads", "8", "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-m", "granian", *options, f"{__name__}:application"],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")]),
            "MODEL_DIR": str(model_dir),
        },
        text=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        Process(port, process).wait_until_ready()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def application() -> WSGIApplication:
    """The application with a fake model that is slow, for a server in a process of its own."""
    settings = read_settings()
    metrics = Metrics()
    pipeline = Pipeline(settings, metrics, lambda error: sys.exit(str(error)), slow_model())
    app = create_app(pipeline, settings, metrics)
    pipeline.start()
    return app
