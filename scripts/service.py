"""Start a generated repository's service, ask it, and stop it."""

import mimetypes
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

# Outside of the checkout: cookiecutter copies all that lies in a template.
CACHE = (
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cookiecutter-model-serving"
)
START_SECONDS = 300
STOP_SECONDS = 60


def clean_environ() -> dict[str, str]:
    """The environment variables for a generated repository's own commands.

    What the template's make, virtual environment and pytest tell each other is not for them.
    """
    own = ("MAKE", "MFLAGS", "PYTEST_", "PYTHON", "VENV", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}


def free_port() -> int:
    """A TCP port of this machine that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def straight() -> requests.Session:
    """A session for this machine's own services: past the proxy that the environment may name."""
    session = requests.Session()
    session.trust_env = False
    return session


def is_ready(url: str) -> bool:
    """Whether the service at *url* says that it answers."""
    try:
        return straight().get(f"{url}/readyz", timeout=5).ok
    except requests.RequestException:  # also one that ends within its answer
        return False


class Service:
    """A service that ``make`` has started."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
        self.process = process
        self.url = url
        self.log = log

    def wait_until_ready(self) -> None:
        """Wait for ``/readyz``.

        Raises:
            RuntimeError: the service ended, or takes too long; with its log.
        """
        deadline = time.monotonic() + START_SECONDS
        while not is_ready(self.url):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.url} is not ready:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.02)

    def ask(self, route: str, path: Path) -> dict[str, Any]:
        """The answer to the file at *path*, sent to *route*."""
        media_type = mimetypes.guess_type(path)[0] or "application/octet-stream"
        response = straight().post(
            f"{self.url}{route}",
            path.read_bytes(),
            headers={"Content-Type": media_type},
            timeout=60,
        )
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer

    def stop(self) -> int:
        """Ask the service to end, as an orchestrator does, and give its exit status."""
        # Sent to make's child: make passes its status on, but dies of a signal to itself.
        subprocess.run(["pkill", "-TERM", "-P", str(self.process.pid)], check=False)
        return self.process.wait(STOP_SECONDS)


@contextmanager
def running(
    repo: Path, environ: Mapping[str, str], log: Path, words: Sequence[str] = ()
) -> Iterator[Service]:
    """What ``make serve`` with *words* starts in *repo*, on a free port, until the block ends."""
    port = free_port()
    with log.open("wb") as file:
        process = subprocess.Popen(
            ["make", "serve", *words],
            cwd=repo,
            env={**environ, "HOST": "127.0.0.1", "PORT": str(port)},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    service = Service(process, f"http://127.0.0.1:{port}", log)
    try:
        yield service
    finally:
        if process.poll() is None:
            service.stop()
