"""The image of a generated repository, run as production runs it."""

import http.client
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bakes import Bake
from containers import (
    HARDENED,
    answer_to_first_example,
    first_example,
    media_type,
    smoke,
    started,
    wait_for_readiness,
)
from matrix import IMAGED, Combination, name_of
from service import free_port
from shell import docker, make

pytestmark = pytest.mark.image
LARGEST_IMAGE_BYTES = 1_800_000_000
STOP_SECONDS = 60
CLIENTS = 8
SITE = "/app/.venv/lib/python3.11/site-packages"
LARGEST_GROWTH_BYTES = 128_000_000
"""With python:3.11-slim, which has some 120 MB, an image of the web tier has less than 250 MB."""
LARGEST_ONNX_GROWTH_BYTES = 275_000_000
"""And one that serves ONNX less than 400 MB, without its model."""


@dataclass
class Load:
    """Clients behind a load balancer: each asks again and again while the service says it is ready.

    Args:
        port: where the service is.
        route: what each asks.
        example: the file that each sends there.
    """

    port: int
    route: str
    example: Path
    answered: int = 0
    lost: list[str] = field(default_factory=list)
    not_ready: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Start the balancer and the clients."""
        self.threads = [threading.Thread(target=self._balance)]
        self.threads += [threading.Thread(target=self._ask) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def wait(self) -> None:
        """Return when the service has said that it is no longer ready and all are answered."""
        for thread in self.threads:
            thread.join(STOP_SECONDS)
            assert not thread.is_alive(), "the service never said that it is no longer ready"

    def _balance(self) -> None:
        while not self.not_ready.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            try:
                connection.request("GET", "/readyz")
                if connection.getresponse().status != http.HTTPStatus.OK:
                    self.not_ready.set()
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(f"/readyz: {error!r}")
                self.not_ready.set()
            finally:
                connection.close()
            time.sleep(0.2)

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        body, headers = self.example.read_bytes(), {"Content-Type": media_type(self.example)}
        while not self.not_ready.is_set():
            try:
                connection.request("POST", self.route, body, headers)
                response = connection.getresponse()
                said = response.read()
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(repr(error))
                connection.close()
                continue
            with self.lock:
                self.answered += 1
            if response.status != http.HTTPStatus.OK:
                self.lost.append(f"{response.status}: {said[:200]!r}")
        connection.close()


def write_size(tag: str) -> None:
    """Print the size of an image; fail when it is too large."""
    size = int(docker("image", "inspect", "--format={{.Size}}", tag))
    sys.stdout.write(f"{size / 1e6:.0f} MB\n")
    assert size <= LARGEST_IMAGE_BYTES


IN_PROCESS = [row for row in IMAGED if row["serving"] == "in-process"]
MODEL_SERVERS = [row for row in IMAGED if row["serving"] == "model-server"]


@pytest.mark.parametrize("row", IN_PROCESS, ids=name_of)
def test_the_hardened_image_answers_and_stops_under_load_without_losing_a_request(
    row: Combination,
    bake: Bake,
    image_of: Callable[[Combination], str],
    container: str,
) -> None:
    repo, image = bake(**row), image_of(row)
    write_size(image)

    port = started(image, container, *HARDENED)
    assert docker("exec", container, "id", "-u") == "10001"
    assert "uv" not in docker("exec", container, "ls", "/usr/local/bin", "/app/.venv/bin").split()
    smoke(repo, port)
    manifest = json.loads(
        docker("exec", container, "sh", "-c", "cat /app/models/default/*/manifest.json")
    )
    (artefact,) = manifest["artefacts"]
    assert not docker("exec", container, "find", "models", "-name", "*.pt*", "-o", "-name", "*.h5")
    if row["backend"] == "pytorch":
        assert artefact["format"] == "onnx"
        packages = docker("exec", container, "ls", SITE).split()
        assert not {"torch", "sympy", "transformers"} & set(packages)
        model_bytes = sum(each["bytes"] for each in manifest["files"].values())
        assert grown_by(image) - model_bytes <= LARGEST_ONNX_GROWTH_BYTES

    load = Load(port, *first_example(repo))
    load.start()
    time.sleep(2)
    before = load.answered
    docker("kill", "--signal=TERM", container)
    load.wait()
    status = docker("wait", container)

    log = docker("logs", container)
    assert load.lost == [], log
    assert load.answered > before > 0
    assert status == "0", log


def test_a_model_mounted_over_the_images_own_is_served_to_whatever_user(
    trained: Callable[[Combination], Path],
    image_of: Callable[[Combination], str],
    container: str,
) -> None:
    row = IN_PROCESS[0]
    repo = trained(row)
    versions = repo / "models" / "default"
    (versions / "1").rename(versions / "2")
    manifest = versions / "2" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"version": 2}))

    mount = f"--volume={repo / 'models'}:/app/models:ro"
    user = "--user=1000680000:0"  # as OpenShift chooses them
    port = started(image_of(row), container, *HARDENED, user, mount)
    _, answer = answer_to_first_example(repo, port)

    assert answer["model"]["version"] == 2


def test_make_up_waits_until_the_service_answers_and_make_down_leaves_nothing(
    trained: Callable[[Combination], Path],
    image_of: Callable[[Combination], str],
    server_words: Callable[[Combination], list[str]],
    tag: str,
) -> None:
    row = IN_PROCESS[-1]
    image_of(row)  # so that "make up" finds its layers
    repo = trained(row)
    with up(repo, tag, *server_words(row)) as (_, port):
        smoke(repo, port)

    assert docker("ps", "--all", "--quiet", f"--filter=name={project_of(tag)}") == ""


@pytest.mark.parametrize("row", MODEL_SERVERS, ids=name_of)
def test_both_tiers_come_up_answer_and_survive_the_model_servers_end(
    row: Combination,
    trained: Callable[[Combination], Path],
    image_of: Callable[[Combination], str],
    server_words: Callable[[Combination], list[str]],
    tag: str,
) -> None:
    image_of(row)
    repo = trained(row)
    with up(repo, tag, *server_words(row)) as (compose, port):
        smoke(repo, port)
        for name in ("service", "model-server"):
            container = docker("compose", *compose, "ps", "--quiet", name)
            assert docker("exec", container, "id", "-u") == "10001"
        packages = docker(
            "exec", docker("compose", *compose, "ps", "--quiet", "service"), "ls", SITE
        )
        assert not {"torch", "tensorflow", "keras", "transformers"} & set(packages.split())
        assert grown_by(tag) <= LARGEST_GROWTH_BYTES

        docker("compose", *compose, "kill", "model-server")
        wait_for_readiness(port, ready=False)
        status, problem = answer_to_first_example(repo, port)
        assert (status, problem["code"]) == (503, "model_server_unavailable")
        docker("compose", *compose, "start", "model-server")
        wait_for_readiness(port, ready=True)
        smoke(repo, port)

    assert docker("ps", "--all", "--quiet", f"--filter=name={project_of(tag)}") == ""


def project_of(tag: str) -> str:
    """The name under which compose runs what *tag* is an image of."""
    return tag.replace(":", "-")


@contextmanager
def up(repo: Path, tag: str, *words: str) -> Iterator[tuple[list[str], int]]:
    """What ``make up`` with *words* starts; gives words for compose, and the port."""
    port = free_port()
    told = {"IMAGE": tag, "PORT": str(port), "COMPOSE_PROJECT_NAME": project_of(tag)}
    try:
        make(repo, "up", *words, **told)
        yield [f"--project-name={project_of(tag)}", f"--project-directory={repo}"], port
    finally:
        make(repo, "down", *words, **told)


def grown_by(tag: str) -> int:
    """By how many bytes an image is larger than the one that it is made from."""
    sizes = [
        int(docker("image", "inspect", "--format={{.Size}}", name))
        for name in (tag, "python:3.11-slim")
    ]
    sys.stdout.write(f"{sizes[0] / 1e6:.0f} MB, {sizes[1] / 1e6:.0f} MB of them the base\n")
    return sizes[0] - sizes[1]
