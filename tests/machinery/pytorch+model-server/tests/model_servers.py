"""TorchServe, for real, as a process of its own."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from processes import ROOT, free_port
from server_process import ServerProcess

from service.settings import Settings

INTERFACES = ("http",)
"""The ways to ask it."""
NOT_THERE = ("http://127.0.0.1:9",)
"""For each of them, where nobody is."""


class RunningServer(ServerProcess):
    """TorchServe, and where it is.

    Args:
        model_dir: the model's.
        store: where the archives are.
        state: where it writes.
    """

    def __init__(self, model_dir: Path, store: Path, state: Path) -> None:
        super().__init__(model_dir, state)
        self.store = store
        self.state = state
        self.ports = {
            "INFERENCE_ADDRESS": f"http://127.0.0.1:{free_port()}",
            "METRICS_ADDRESS": f"http://127.0.0.1:{free_port()}",
            "MANAGEMENT_PORT": str(free_port()),
            "GRPC_PORT": str(free_port(2)),
            "GRACE_SECONDS": "0",
        }

    @property
    def settings(self) -> dict[str, str]:
        """The environment of a service that asks it."""
        return {
            "MODEL_SERVER_URL": self.ports["INFERENCE_ADDRESS"],
            "MODEL_SERVER_KEY_FILE": str(self.state / "key_file.json"),
        }

    def with_key(self, key_file: Path, key: str) -> Settings:
        """The settings of a client that reads its token from *key_file*, where *key* stands."""
        key_file.write_text(json.dumps({"inference": {"key": key}}), encoding="utf-8")
        return self.as_settings().model_copy(update={"model_server_key_file": key_file})

    def url_of(self, _interface: str) -> str:
        """Its address."""
        return self.ports["INFERENCE_ADDRESS"]

    def start(self) -> None:
        """Start it, and wait until it serves the newest version."""
        self.archive()
        told = {"MODEL_STORE": str(self.store), "STATE_DIR": str(self.state), **self.ports}
        self.run([sys.executable, str(ROOT / "model_server" / "serve.py")], told)

    def archive(self) -> None:
        """Let the store have an archive of each version."""
        command = [sys.executable, "-m", "service.lifecycle.archive"]
        command += ["--model-dir", str(self.model_dir), "--store", str(self.store)]
        subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT / "src")}, check=True)


@contextlib.contextmanager
def running_server(model_dir: Path, folder: Path) -> Iterator[RunningServer]:
    """TorchServe with the versions in *model_dir*; *folder* takes the archives."""
    # Short: sockets have their names in it, and those may have 107 characters.
    state = Path(tempfile.mkdtemp(prefix="torchserve-"))
    server = RunningServer(model_dir, folder / "model-store", state)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(state, ignore_errors=True)
