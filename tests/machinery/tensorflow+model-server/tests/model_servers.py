"""The stand-in for TensorFlow Serving, as a process of its own."""

import contextlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from processes import ROOT, free_port
from server_process import ServerProcess

CONFIGS = ROOT / "model_server"
INTERFACES = ("grpc", "rest")
"""The ways to ask it."""
NOT_THERE = ("grpc://127.0.0.1:9", "http://127.0.0.1:9")
"""For each of them, where nobody is."""


def image_flags() -> list[str]:
    """The flags that the image gives to TensorFlow Serving."""
    text = (CONFIGS / "Dockerfile").read_text(encoding="utf-8")
    found = re.search(r"^CMD (\[.*?\])", text, re.DOTALL | re.MULTILINE)
    assert found is not None
    flags: list[str] = json.loads(found[1].replace("\\\n", ""))
    return flags


class RunningServer(ServerProcess):
    """The stand-in, and where it is.

    Args:
        model_dir: the model's.
        folder: where its configuration and its log go.
    """

    def __init__(self, model_dir: Path, folder: Path) -> None:
        super().__init__(model_dir, folder)
        self.folder = folder
        self._ports = {"grpc": free_port(), "rest": free_port()}

    @property
    def settings(self) -> dict[str, str]:
        """The environment of a service that asks it."""
        return {"MODEL_SERVER_URL": self.url_of("grpc")}

    def url_of(self, interface: str) -> str:
        """Its address for gRPC, or for REST."""
        scheme = {"grpc": "grpc", "rest": "http"}[interface]
        return f"{scheme}://127.0.0.1:{self._ports[interface]}"

    def start(self) -> None:
        """Start it, and wait until it serves the newest version."""
        config = (CONFIGS / "models.config").read_text(encoding="utf-8")
        mine = self.folder / "models.config"
        mine.write_text(config.replace("/models/default", str(self.model_dir)), encoding="utf-8")
        command = [
            sys.executable,
            str(ROOT / "tests" / "tensorflow_serving_stand_in.py"),
            *(flag.replace("/etc/model_server", str(CONFIGS)) for flag in image_flags()),
            # The last of equal flags counts.
            f"--port={self._ports['grpc']}",
            f"--rest_api_port={self._ports['rest']}",
            f"--model_config_file={mine}",
            "--file_system_poll_wait_seconds=0.5",
        ]
        told = {"PYTHONPATH": str(ROOT / "src"), "STAND_IN_FAULT": str(self.folder / "fault")}
        self.run(command, told)

    def archive(self) -> None:
        """It reads the versions where they lie."""

    def fail(self, fault: str) -> None:
        """Let it fail from now on, as the stand-in says; not any more when empty."""
        (self.folder / "fault").write_text(fault)


@contextlib.contextmanager
def running_server(model_dir: Path, folder: Path) -> Iterator[RunningServer]:
    """The stand-in with the versions in *model_dir*; *folder* takes its log."""
    own = folder / "model-server"
    own.mkdir()
    server = RunningServer(model_dir, own)
    try:
        server.start()
        yield server
    finally:
        server.kill()
