"""A registry for images on this machine."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import requests

from locking import locked_file
from service import free_port

CONFIG = """\
version: 0.1
storage:
  filesystem:
    rootdirectory: {folder}
  delete:
    enabled: true
http:
  addr: 127.0.0.1:{port}
"""


FOLDER = "TEMPLATE_TEST_REGISTRY"
"""The variable with the folder that this run's registry has its images in."""


def address_of_registry() -> str:
    """Host and port of Debian's registry, which is started where it does not run yet.

    One for all processes of a run: a layer that two images have is packed and sent once.
    """
    folder = Path(os.environ[FOLDER])
    if shutil.which("docker-registry") is None:
        pytest.skip("docker-registry is not installed, so no image was pushed")
    with locked_file(folder.with_suffix(".lock")):
        if not (folder / "address").exists():
            folder.mkdir()
            _start(folder, free_port())
    return (folder / "address").read_text(encoding="utf-8")


def _start(folder: Path, port: int) -> None:
    config = folder / "registry.yml"
    config.write_text(CONFIG.format(folder=folder / "images", port=port), encoding="utf-8")
    environ = {name: value for name, value in os.environ.items() if "REGISTRY" not in name}
    # It outlives the process of tests that starts it.
    start = 'setsid docker-registry serve "$0" >"$1" 2>&1 & echo $!'
    log = folder / "registry.log"
    words = ["sh", "-c", start, str(config), str(log)]
    (folder / "pid").write_text(subprocess.check_output(words, env=environ, text=True))
    end = time.monotonic() + 30
    while True:
        try:
            requests.get(f"http://127.0.0.1:{port}/v2/", timeout=5).raise_for_status()
            break
        except requests.RequestException:
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
    (folder / "address").write_text(f"127.0.0.1:{port}", encoding="utf-8")


def stop_registry() -> None:
    """End the registry of this run, if one was started, and remove its images."""
    folder = Path(os.environ[FOLDER])
    if (folder / "pid").exists():
        os.kill(int((folder / "pid").read_text(encoding="utf-8")), signal.SIGTERM)
        shutil.rmtree(folder)
        folder.with_suffix(".lock").unlink()
