"""TorchServe as ``model_server/serve.py`` runs it: its store, its token, its probe, its end."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from load import asked_by
from model_servers import RunningServer, running_server
from processes import ROOT
from trained import make_model

from service import manifest as manifests
from service.model_server import ModelServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("torchserve")
    with running_server(make_model(folder), folder) as server:
        yield server


def add_version(model_dir: Path, version: int) -> None:
    """Let a model have its first version under another number too."""
    first = manifests.read(model_dir / "1")
    shutil.copytree(model_dir / "1", model_dir / str(version))
    manifests.write(first.model_copy(update={"version": version}), model_dir / str(version))


def serves(server: RunningServer, version: int) -> bool:
    facts = manifests.read(server.model_dir / "1").model_copy(update={"version": version})
    connection = ModelServer(server.as_settings(), facts)
    with contextlib.closing(connection):
        return connection.is_ready(timeout_seconds=5)


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def check(server: RunningServer, **environment: str) -> int:
    """The exit status of the container's probe."""
    told = {"STATE_DIR": str(server.state), "MODEL_STORE": str(server.store), **server.ports}
    command = [sys.executable, str(ROOT / "model_server" / "serve.py"), "check"]
    return subprocess.run(
        command, env={**os.environ, **told, **environment}, check=False
    ).returncode


def archive(model_dir: Path, store: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "service.lifecycle.archive"]
    command += ["--model-dir", str(model_dir), "--store", str(store)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True)


def renew_the_token(server: RunningServer) -> None:
    key = json.loads((server.state / "key_file.json").read_bytes())["API"]["key"]
    url = f"http://127.0.0.1:{server.ports['MANAGEMENT_PORT']}/token?type=inference"
    asked = Request(url, headers={"Authorization": f"Bearer {key}"})
    urlopen(asked, timeout=5).close()  # noqa: S310


def test_versions_that_come_and_go_in_the_store_are_served_and_no_more(
    server: RunningServer,
) -> None:
    assert serves(server, 1)
    add_version(server.model_dir, 2)
    server.archive()
    wait_until(lambda: serves(server, 2))
    assert serves(server, 1)

    (server.store / "default-1.mar").unlink()

    wait_until(lambda: not serves(server, 1))  # though it was the first, which is the default
    assert serves(server, 2)
    server.archive()
    wait_until(lambda: serves(server, 1))


def test_a_token_that_is_renewed_under_load_costs_no_request(server: RunningServer) -> None:
    client = ModelServer(server.as_settings(), manifests.read(server.model_dir / "1"))
    errors: list[Exception] = []
    count = [0, 0, 0, 0]

    def ask(number: int) -> None:
        try:
            assert client.is_ready(timeout_seconds=5)
        except Exception as error:  # noqa: BLE001
            errors.append(error)
        count[number] += 1

    with asked_by([partial(ask, number) for number in range(len(count))]):
        for _ in range(6):
            time.sleep(0.3)  # a request that meets two renewals is refused
            renew_the_token(server)
    client.close()

    assert min(count) > 20
    assert errors == []


def test_the_probe_says_when_a_model_is_loaded(server: RunningServer, tmp_path: Path) -> None:
    wait_until(lambda: check(server) == 0)
    assert check(server, MODEL_STORE=str(tmp_path)) == 1  # an empty store
    assert check(server, STATE_DIR=str(tmp_path)) == 1  # a server that is not up


def test_sigterm_ends_it_and_leaves_no_process(tmp_path: Path) -> None:
    with running_server(make_model(tmp_path), tmp_path) as server:
        assert server.process is not None
        group = server.process.pid

        assert server.stop() == 0

        with pytest.raises(ProcessLookupError):
            os.killpg(group, 0)
        assert not (server.state / "key_file.json").exists()


def test_the_store_has_the_two_newest_versions_and_the_chosen_one(tmp_path: Path) -> None:
    model_dir, store = make_model(tmp_path), tmp_path / "store"
    for version in (2, 3, 4):
        add_version(model_dir, version)

    assert archive(model_dir, store).returncode == 0
    newest = {path.name for path in store.iterdir()}
    manifests.choose(model_dir, 1)
    assert archive(model_dir, store).returncode == 0
    with_chosen = {path.name for path in store.iterdir()}

    assert newest == {"default-3.mar", "default-4.mar"}
    assert with_chosen == newest | {"default-1.mar"}


def test_a_version_that_is_not_what_was_exported_is_not_archived(tmp_path: Path) -> None:
    model_dir = make_model(tmp_path)
    artefact = model_dir / "1" / manifests.read(model_dir / "1").artefacts[0].path
    artefact.write_bytes(artefact.read_bytes()[:-1] + b"?")

    ended = archive(model_dir, tmp_path / "store")

    assert ended.returncode == 1
    assert "sha256" in ended.stderr
    assert not list((tmp_path / "store").glob("*.mar"))
