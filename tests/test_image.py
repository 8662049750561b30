"""The image of a generated repository, run as production runs it."""

import http.client
import json
import mimetypes
import os
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from conftest import Bake
from matrix import ROWS, Combination, name_of, one_per
from service import clean_environ, free_port

LARGEST_IMAGE_BYTES = 1_800_000_000
START_SECONDS = 120
STOP_SECONDS = 60
CLIENTS = 8
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


@pytest.mark.image
@pytest.mark.parametrize(
    "row", ROWS if os.environ.get("ALL_COMBINATIONS") == "1" else one_per("task"), ids=name_of
)
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
    row = ROWS[-1]
    repo = bake(**row)
    shutil.copytree(starter(row), repo / "models")
    port = free_port()
    project = tag.replace(":", "-")
    environ = {"IMAGE": tag, "PORT": str(port), "COMPOSE_PROJECT_NAME": project}

    try:
        run("make", "up", cwd=repo, **environ)
        run("make", "smoke", f"URL=http://127.0.0.1:{port}", f"PYTHON={sys.executable}", cwd=repo)
    finally:
        run("make", "down", cwd=repo, **environ)

    assert docker("ps", "--all", "--quiet", f"--filter=name={project}") == ""
