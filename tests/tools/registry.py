"""A registry for images on this machine."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

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


@contextmanager
def running_registry(folder: Path) -> Iterator[str]:
    """Run Debian's registry with its images in *folder*; gives its host and port."""
    if shutil.which("docker-registry") is None:
        pytest.skip("docker-registry is not installed, so no image was pushed")
    port = free_port()
    config = folder / "registry.yml"
    config.write_text(CONFIG.format(folder=folder / "registry", port=port), encoding="utf-8")
    environ = {name: value for name, value in os.environ.items() if "REGISTRY" not in name}
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(config)], stdout=log, stderr=log, env=environ
        )
    try:
        end = time.monotonic() + 30
        while True:
            try:
                requests.get(f"http://127.0.0.1:{port}/v2/", timeout=5).raise_for_status()
                break
            except requests.RequestException:
                assert process.poll() is None, (folder / "registry.log").read_text()
                assert time.monotonic() < end, (folder / "registry.log").read_text()
                time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)
