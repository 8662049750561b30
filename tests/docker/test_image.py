"""The image of a generated repository, run as production runs it."""

import http.client
import json
import mimetypes
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bakes import Bake
from matrix import ROWS, Combination, name_of, one_per
from service import clean_environ, free_port, is_ready

LARGEST_IMAGE_BYTES = 1_800_000_000
START_SECONDS = 120
STOP_SECONDS = 60
CLIENTS = 8
SITE = "/app/.venv/lib/python3.11/site-packages"
LARGEST_GROWTH_BYTES = 128_000_000
"""With python:3.11-slim, which has some 120 MB, an image of the web tier has less than 250 MB."""
STAND_IN = """\
FROM python:3.11-slim-bookworm
WORKDIR /stand-in
COPY pyproject.toml requirements.lock ./
RUN pip install --no-cache-dir uv && uv pip install --system --no-cache \\
    --requirements pyproject.toml tensorflow-cpu tensorflow-serving-api \\
    --constraint requirements.lock
COPY . .
RUN printf '#!/bin/sh\\nexec python /stand-in/tests/tensorflow_serving_stand_in.py "$@"\\n' \\
    > /usr/bin/tensorflow_model_server && chmod +x /usr/bin/tensorflow_model_server
ENV PYTHONPATH=/stand-in/src STAND_IN_HOST=0.0.0.0
"""
HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--memory=2g")


def run(*command: str, cwd: Path | None = None, **environ: str) -> str:
    """Run *command*; gives what it said, or fails with it."""
    result = subprocess.run(
        command,
        cwd=cwd,
        env=clean_environ() | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1200,
        check=False,
    )
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}"
    return result.stdout


def docker(*words: str) -> str:
    """What ``docker`` says to *words*."""
    return run("docker", *words).strip()


def engine_answers() -> bool:
    """Whether a Docker engine is there to be used."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="session", autouse=True)
def _engine() -> None:
    if not engine_answers():
        pytest.skip("no Docker engine answers, so no image was built or run")


@pytest.fixture
def tag() -> Iterator[str]:
    """A name for an image, which is removed in the end."""
    name = f"template-test:{uuid.uuid4().hex[:12]}"
    yield name
    subprocess.run(["docker", "rmi", "--force", name], capture_output=True, check=False)


@pytest.fixture
def container(tag: str) -> Iterator[str]:
    """A name for a container, which is removed in the end."""
    name = tag.replace(":", "-")
    yield name
    subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)


def first_example(repo: Path) -> tuple[str, Path]:
    """A route, and a file that can be sent to it."""
    expected = json.loads((repo / "examples" / "expected.json").read_text(encoding="utf-8"))
    route = next(iter(expected))
    return route, repo / "examples" / next(iter(expected[route]))


def media_type(path: Path) -> str:
    """The Content-Type of the file at *path*."""
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


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


def wait_until_healthy(container: str) -> None:
    """Return when Docker calls *container* healthy; fail with its log when it never does."""
    deadline = time.monotonic() + START_SECONDS
    state = ""
    while time.monotonic() < deadline:
        state = docker("inspect", "--format={{.State.Status}} {{.State.Health.Status}}", container)
        if state == "running healthy":
            return
        if not state.startswith("running"):
            break
        time.sleep(0.3)
    pytest.fail(f"{container} is {state}\n{docker('logs', container)}")


def write_size(tag: str) -> None:
    """Print the size of an image; fail when it is too large."""
    size = int(docker("image", "inspect", "--format={{.Size}}", tag))
    sys.stdout.write(f"{size / 1e6:.0f} MB\n")
    assert size <= LARGEST_IMAGE_BYTES


IN_PROCESS = [row for row in ROWS if row["serving"] == "in-process"]
MODEL_SERVERS = [row for row in ROWS if row["serving"] == "model-server"]
if os.environ.get("ALL_COMBINATIONS") != "1":
    IN_PROCESS = one_per("task", IN_PROCESS)
    MODEL_SERVERS = one_per("backend", MODEL_SERVERS)


@pytest.mark.image
@pytest.mark.parametrize("row", IN_PROCESS, ids=name_of)
def test_the_hardened_image_answers_and_stops_under_load_without_losing_a_request(
    row: Combination, bake: Bake, starter: Callable[[Combination], Path], tag: str, container: str
) -> None:
    repo = bake(**row)
    shutil.copytree(starter(row), repo / "models")
    run("make", "image", f"IMAGE={tag}", cwd=repo)
    write_size(tag)
    port = free_port()

    docker(
        "run", "--detach", f"--name={container}", *HARDENED, f"--publish=127.0.0.1:{port}:8000", tag
    )
    wait_until_healthy(container)
    assert docker("exec", container, "id", "-u") == "10001"
    assert "uv" not in docker("exec", container, "ls", "/usr/local/bin", "/app/.venv/bin").split()
    run("make", "smoke", f"URL=http://127.0.0.1:{port}", f"PYTHON={sys.executable}", cwd=repo)

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


@pytest.mark.image
def test_a_model_mounted_over_the_images_own_is_served(
    bake: Bake, starter: Callable[[Combination], Path], tag: str, container: str
) -> None:
    row = ROWS[0]
    repo = bake(**row)
    shutil.copytree(starter(row), repo / "models")
    run("make", "image", f"IMAGE={tag}", cwd=repo)
    versions = repo / "models" / "default"
    (versions / "1").rename(versions / "2")
    manifest = versions / "2" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"version": 2}))
    port = free_port()

    mount = f"--volume={repo / 'models'}:/app/models:ro"
    publish = f"--publish=127.0.0.1:{port}:8000"
    docker("run", "--detach", f"--name={container}", *HARDENED, mount, publish, tag)
    wait_until_healthy(container)
    route, example = first_example(repo)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Content-Type": media_type(example)}
    connection.request("POST", route, example.read_bytes(), headers)
    answer = json.load(connection.getresponse())
    connection.close()

    assert answer["model"]["version"] == 2


@pytest.mark.image
def test_make_up_waits_until_the_service_answers_and_make_down_leaves_nothing(
    bake: Bake, starter: Callable[[Combination], Path], tag: str
) -> None:
    row = IN_PROCESS[-1]
    repo = bake(**row)
    shutil.copytree(starter(row), repo / "models")
    with up(repo, tag) as (_, port):
        smoke(repo, port)

    assert docker("ps", "--all", "--quiet", f"--filter=name={project_of(tag)}") == ""


@pytest.fixture(scope="session")
def tensorflow_serving(bake: Bake, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image of TensorFlow Serving, or a stand-in for it where it cannot be pulled."""
    repo = bake(backend="tensorflow", serving="model-server")
    named = re.search("FROM (.*) AS", (repo / "model_server/Dockerfile").read_text())
    assert named is not None
    known = subprocess.run(["docker", "pull", named[1]], capture_output=True, check=False)
    if known.returncode == 0:
        return named[1]
    folder = tmp_path_factory.mktemp("stand-in")
    for name in ("src", "tests"):
        shutil.copytree(repo / name, folder / name)
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy(repo / name, folder)
    (folder / "Dockerfile").write_text(STAND_IN)
    run("docker", "build", "--tag=template-test:tensorflow-serving-stand-in", ".", cwd=folder)
    return "template-test:tensorflow-serving-stand-in"


@pytest.mark.image
@pytest.mark.parametrize("row", MODEL_SERVERS, ids=name_of)
def test_both_tiers_come_up_answer_and_survive_the_model_servers_end(
    row: Combination,
    bake: Bake,
    starter: Callable[[Combination], Path],
    tag: str,
    request: pytest.FixtureRequest,
) -> None:
    repo = bake(**row)
    shutil.copytree(starter(row), repo / "models")
    environ = {}
    if row["backend"] == "tensorflow":
        environ["TENSORFLOW_SERVING"] = request.getfixturevalue("tensorflow_serving")
    with up(repo, tag, **environ) as (compose, port):
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
        status, problem = ask_first_example(repo, port)
        assert (status, problem["code"]) == (503, "model_server_unavailable")
        docker("compose", *compose, "start", "model-server")
        wait_for_readiness(port, ready=True)
        smoke(repo, port)

    assert docker("ps", "--all", "--quiet", f"--filter=name={project_of(tag)}") == ""


def project_of(tag: str) -> str:
    """The name under which compose runs what *tag* is an image of."""
    return tag.replace(":", "-")


@contextmanager
def up(repo: Path, tag: str, **environ: str) -> Iterator[tuple[list[str], int]]:
    """What ``make up`` starts, until the block ends; gives words for compose, and the port."""
    port = free_port()
    told = {
        "IMAGE": tag,
        "PORT": str(port),
        "COMPOSE_PROJECT_NAME": project_of(tag),
        **environ,
    }
    try:
        run("make", "up", cwd=repo, **told)
        yield [f"--project-name={project_of(tag)}", f"--project-directory={repo}"], port
    finally:
        run("make", "down", cwd=repo, **told)
        subprocess.run(
            ["docker", "rmi", "--force", f"{tag}-model-server"], capture_output=True, check=False
        )


def smoke(repo: Path, port: int) -> None:
    run("make", "smoke", f"URL=http://127.0.0.1:{port}", f"PYTHON={sys.executable}", cwd=repo)


def grown_by(tag: str) -> int:
    """By how many bytes an image is larger than the one that it is made from."""
    sizes = [
        int(docker("image", "inspect", "--format={{.Size}}", name))
        for name in (tag, "python:3.11-slim")
    ]
    sys.stdout.write(f"{sizes[0] / 1e6:.0f} MB, {sizes[1] / 1e6:.0f} MB of them the base\n")
    return sizes[0] - sizes[1]


def ask_first_example(repo: Path, port: int) -> tuple[int, dict[str, Any]]:
    """Status and answer of the first example's request."""
    route, example = first_example(repo)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Content-Type": media_type(example)}
    connection.request("POST", route, example.read_bytes(), headers)
    response = connection.getresponse()
    answer: dict[str, Any] = json.load(response)
    connection.close()
    return response.status, answer


def wait_for_readiness(port: int, *, ready: bool) -> None:
    """Return when ``/readyz`` says so."""
    end = time.monotonic() + START_SECONDS
    while is_ready(f"http://127.0.0.1:{port}") != ready:
        assert time.monotonic() < end, f"the service did not become {'' if ready else 'un'}ready"
        time.sleep(0.2)
