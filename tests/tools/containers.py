"""Containers and requests to them, as tests of images and deployments need them."""

import http.client
import json
import mimetypes
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from matrix import Combination
from service import free_port, is_ready
from shell import docker, make

START_SECONDS = 120
HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--memory=2g")


def started(image: str, container: str, *words: str) -> int:
    """Run *image* as *container* with *words* for Docker until it is healthy; gives its port."""
    port = free_port()
    publish = f"--publish=127.0.0.1:{port}:8000"
    docker("run", "--detach", f"--name={container}", publish, *words, image)
    deadline = time.monotonic() + START_SECONDS
    state = ""
    while time.monotonic() < deadline:
        state = docker("inspect", "--format={{.State.Status}} {{.State.Health.Status}}", container)
        if state == "running healthy":
            return port
        if not state.startswith("running"):
            break
        time.sleep(0.3)
    pytest.fail(f"{container} is {state}\n{docker('logs', container)}")


def wait_for_readiness(port: int, *, ready: bool) -> None:
    """Return when ``/readyz`` says so."""
    end = time.monotonic() + START_SECONDS
    while is_ready(f"http://127.0.0.1:{port}") != ready:
        assert time.monotonic() < end, f"the service did not become {'' if ready else 'un'}ready"
        time.sleep(0.2)


def smoke(repo: Path, port: int) -> None:
    """Send each of the examples in *repo*, and compare the answers."""
    make(repo, "smoke", f"URL=http://127.0.0.1:{port}", f"PYTHON={sys.executable}")


def first_example(repo: Path) -> tuple[str, Path]:
    """A route, and a file that can be sent to it."""
    expected = json.loads((repo / "examples" / "expected.json").read_text(encoding="utf-8"))
    route = next(iter(expected))
    return route, repo / "examples" / next(iter(expected[route]))


def media_type(path: Path) -> str:
    """The Content-Type of the file at *path*."""
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


def answer_to_first_example(repo: Path, port: int) -> tuple[int, dict[str, Any]]:
    """Status and answer of the first example's request."""
    route, example = first_example(repo)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Content-Type": media_type(example)}
    connection.request("POST", route, example.read_bytes(), headers)
    response = connection.getresponse()
    answer: dict[str, Any] = json.load(response)
    connection.close()
    return response.status, answer


def tagged(row: Combination, image: str, name: str) -> None:
    """Let *name* be a name of *image*, and of its model server's image where *row* has one."""
    endings = ("", "-model-server") if row["serving"] == "model-server" else ("",)
    for ending in endings:
        docker("tag", f"{image}{ending}", f"{name}{ending}")
