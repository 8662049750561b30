"""The stand-in for TensorFlow Serving, as a process of its own."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from processes import ROOT, free_port

from service import manifest as manifests
from service.manifest import Manifest
from service.server_connection import ServerConnection
from service.server_errors import ServerError
from service.settings import Settings

CONFIGS = ROOT / "model_server"
START_SECONDS = 60


def image_flags() -> list[str]:
    """The flags that the image gives to TensorFlow Serving."""
    text = (CONFIGS / "Dockerfile").read_text(encoding="utf-8")
    found = re.search(r"^CMD (\[.*?\])", text, re.DOTALL | re.MULTILINE)
    assert found is not None
    flags: list[str] = json.loads(found[1].replace("\\\n", ""))
    return flags


@dataclass
class RunningServer:
    """The stand-in, and where it is."""

    model_dir: Path
    folder: Path
    port: int
    rest_port: int
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def settings(self) -> dict[str, str]:
        """The environment of a service that asks it."""
        return {"MODEL_SERVER_URL": f"grpc://127.0.0.1:{self.port}"}

    @property
    def rest_url(self) -> str:
        """Its HTTP interface."""
        return f"http://127.0.0.1:{self.rest_port}"

    def start(self) -> None:
        """Start it, and wait until it serves the newest version."""
        config = (CONFIGS / "models.config").read_text(encoding="utf-8")
        mine = self.folder / "models.config"
        mine.write_text(config.replace("/models/default", str(self.model_dir)), encoding="utf-8")
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    str(ROOT / "tests" / "tensorflow_serving_stand_in.py"),
                    *(flag.replace("/etc/model_server", str(CONFIGS)) for flag in image_flags()),
                    # The last of equal flags counts.
                    f"--port={self.port}",
                    f"--rest_api_port={self.rest_port}",
                    f"--model_config_file={mine}",
                    "--file_system_poll_wait_seconds=0.5",
                ],
                env={
                    **os.environ,
                    "PYTHONPATH": str(ROOT / "src"),
                    "STAND_IN_FAULT": str(self.folder / "fault"),
                },
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.wait_for(manifests.versions(self.model_dir)[-1])

    def archive(self) -> None:
        """It reads the versions where they lie."""

    def wait_for(self, version: int) -> None:
        """Return when it serves *version*."""
        connection = ServerConnection(self.as_settings(), self.manifest(version))
        end = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(ServerError):
                if connection.is_ready(timeout_seconds=2):
                    break
            assert time.monotonic() < end, self.log()
            assert self.process is not None
            assert self.process.poll() is None, self.log()
            time.sleep(0.1)
        connection.close()

    def as_settings(self, url: str | None = None) -> Settings:
        """The settings of a client in this process."""
        told = {"model_server_url": url or self.settings["MODEL_SERVER_URL"]}
        return Settings.model_validate({**told, "model_dir": self.model_dir})

    def manifest(self, version: int = 1, name: str = "default") -> Manifest:
        """The first version's, but for its name and number."""
        first = manifests.read(self.model_dir / "1")
        return first.model_copy(update={"name": name, "version": version})

    def fail(self, fault: str) -> None:
        """Let it fail from now on, as the stand-in says; not any more when empty."""
        (self.folder / "fault").write_text(fault)

    def stop(self) -> int:
        """SIGTERM; gives the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(60)

    def hang(self) -> None:
        """Stop it in its tracks, with its connections open."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on after :meth:`hang`."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGCONT)

    def log(self) -> str:
        """What it has said."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")


@contextlib.contextmanager
def running_server(model_dir: Path, folder: Path) -> Iterator[RunningServer]:
    """The stand-in with the versions in *model_dir*; *folder* takes its log."""
    own = folder / "model-server"
    own.mkdir()
    server = RunningServer(model_dir, own, free_port(), free_port())
    try:
        server.start()
        yield server
    finally:
        server.kill()
