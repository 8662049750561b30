"""The service as its users run it: a process that listens."""

import contextlib
import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import samples

ROOT = Path(__file__).parents[1]
HEADERS = {"Content-Type": samples.RAW_MEDIA_TYPE}
SERVICE = ("-m", "service")
FAKE_SERVICE = (str(ROOT / "tests" / "fake_service.py"),)
"""What Python runs: the service, or the service with the model that is no model."""


@dataclass
class Process:
    """A running service."""

    port: int
    process: "subprocess.Popen[str]"

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, HEADERS if body else {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def is_ready(self) -> bool:
        try:
            return self.ask("GET", "/readyz")[0] == http.client.OK
        except OSError:
            return False

    def wait_until_ready(self) -> None:
        end = time.monotonic() + 60
        while not self.is_ready():
            assert self.process.poll() is None, "The service has ended."
            assert time.monotonic() < end, "The service did not become ready."
            time.sleep(0.05)


Start = Callable[..., Process]


@contextlib.contextmanager
def starting(
    model_dir: Path,
    folder: Path,
    service: Sequence[str] = SERVICE,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Start]:
    """A function that starts a service with other settings than the defaults.

    Args:
        model_dir: the model's.
        folder: where the services run; it has no ``.env``.
        service: what Python runs.
        environment: more variables.
    """
    started: list[Process] = []

    def start(stdout: int = subprocess.PIPE, **settings: str) -> Process:
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, *service],
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")]),
                "MODEL_DIR": str(model_dir),
                "PORT": str(port),
                "LOG_LEVEL": "warning",
                **(environment or {}),
                **settings,
            },
            text=True,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        started.append(Process(port, process))
        return started[-1]

    try:
        yield start
    finally:
        for each in started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(each.process.pid, signal.SIGKILL)  # the serving process too
            each.process.communicate()


def free_port(count: int = 1) -> int:
    """A port on which nobody listens, the first of *count* side by side.

    Below those that systems give to clients, one of which might take it before it is listened on.
    """
    while True:
        first = random.randrange(10_000, 30_000)  # noqa: S311  # no secret
        with contextlib.suppress(OSError), contextlib.ExitStack() as held:
            for port in range(first, first + count):
                held.enter_context(socket.create_server(("127.0.0.1", port)))
            return first
