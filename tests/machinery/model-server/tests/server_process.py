"""A model server as a process of its own: waited for, stopped, killed, halted."""

import contextlib
import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from service import manifest as manifests
from service.errors import ServerError
from service.manifest import Manifest
from service.model_server import ModelServer
from service.settings import Settings

START_SECONDS = 60


class ServerProcess(ABC):
    """A model server over the versions of a model.

    Args:
        model_dir: the model's.
        folder: where its log goes.
    """

    def __init__(self, model_dir: Path, folder: Path) -> None:
        self.model_dir = model_dir
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def settings(self) -> dict[str, str]:
        """The environment of a service that asks it."""

    @abstractmethod
    def start(self) -> None:
        """Start it, and wait until it serves the newest version."""

    @abstractmethod
    def archive(self) -> None:
        """Let it have what lies in the model's folder."""

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """What was started last."""
        assert self._process is not None
        return self._process

    def run(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Run *command*, and wait until it serves the newest version."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.wait_for(manifests.versions(self.model_dir)[-1])

    def wait_for(self, version: int) -> None:
        """Return when it serves *version*."""
        connection = ModelServer(self.as_settings(), self.manifest(version))
        end = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(ServerError):
                if connection.is_ready(timeout_seconds=2):
                    break
            assert time.monotonic() < end, self.log()
            assert self.process.poll() is None, self.log()
            time.sleep(0.1)
        connection.close()

    def as_settings(self, url: str | None = None) -> Settings:
        """The settings of a client in this process, which asks *url* where there is one."""
        told = {name.lower(): value for name, value in self.settings.items()}
        told |= {"model_server_url": url} if url else {}
        return Settings.model_validate({**told, "model_dir": self.model_dir})

    def manifest(self, version: int = 1, name: str = "default") -> Manifest:
        """The first version's, but for its name and number."""
        first = manifests.read(self.model_dir / "1")
        return first.model_copy(update={"name": name, "version": version})

    def stop(self) -> int:
        """SIGTERM; gives the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self) -> None:
        """SIGKILL to it and to all that it started."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._process.wait(60)

    def hang(self) -> None:
        """Stop it in its tracks, with its connections open."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on after :meth:`hang`."""
        self._signal(signal.SIGCONT)

    def log(self) -> str:
        """What it has said."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
