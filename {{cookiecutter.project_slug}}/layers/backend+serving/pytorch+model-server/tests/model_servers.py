"""TorchServe, for real, as a process of its own."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
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

START_SECONDS = 60


@dataclass
class RunningServer:
    """TorchServe, and where it is."""

    model_dir: Path
    store: Path
    state: Path
    ports: dict[str, str]
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def settings(self) -> dict[str, str]:
        """The environment of a service that asks it."""
        return {
            "MODEL_SERVER_URL": self.ports["INFERENCE_ADDRESS"],
            "MODEL_SERVER_KEY_FILE": str(self.state / "key_file.json"),
        }

    def start(self, **environment: str) -> None:
        """Start it, and wait until it serves the newest version."""
        self.archive()
        with (self.state / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "model_server" / "serve.py")],
                env={
                    **os.environ,
                    "MODEL_STORE": str(self.store),
                    "STATE_DIR": str(self.state),
                    **self.ports,
                    **environment,
                },
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.wait_for(manifests.versions(self.model_dir)[-1])

    def archive(self) -> None:
        """Let the store have an archive of each version."""
        command = [sys.executable, "-m", "service.lifecycle.archive"]
        command += ["--model-dir", str(self.model_dir), "--store", str(self.store)]
        subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT / "src")}, check=True)

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

    def as_settings(self) -> Settings:
        """The settings of a client in this process."""
        told = {name.lower(): value for name, value in self.settings.items()}
        return Settings.model_validate({**told, "model_dir": self.model_dir})

    def manifest(self, version: int = 1, name: str = "default") -> Manifest:
        """The first version's, but for its name and number."""
        first = manifests.read(self.model_dir / "1")
        return first.model_copy(update={"name": name, "version": version})

    def stop(self) -> int:
        """SIGTERM; gives the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self) -> None:
        """SIGKILL to it and to all that it started."""
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
        return (self.state / "log").read_text(encoding="utf-8", errors="replace")


@contextlib.contextmanager
def running_server(model_dir: Path, folder: Path) -> Iterator[RunningServer]:
    """TorchServe with the versions in *model_dir*; *folder* takes the archives."""
    # Short: sockets have their names in it, and those may have 107 characters.
    state = Path(tempfile.mkdtemp(prefix="torchserve-"))
    ports = {
        "INFERENCE_ADDRESS": f"http://127.0.0.1:{free_port()}",
        "METRICS_ADDRESS": f"http://127.0.0.1:{free_port()}",
        "MANAGEMENT_PORT": str(free_port()),
        "GRPC_PORT": str(free_port(2)),
        "GRACE_SECONDS": "0",
    }
    server = RunningServer(model_dir, folder / "model-store", state, ports)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(state, ignore_errors=True)
