"""The service and a model server that fails, as processes of their own: what a caller sees."""

import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import samples
from load import asked_by
from model_servers import RunningServer, running_server
from processes import Process, Start, starting
from trained import make_model

from service import manifest as manifests

RECOVERY_SECONDS = 30  # of which the model server's own start takes the most


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with running_server(make_model(tmp_path), tmp_path) as server:
        yield server


@pytest.fixture
def start(server: RunningServer, tmp_path: Path) -> Iterator[Start]:
    folder = tmp_path / "service"
    folder.mkdir()
    with starting(server.model_dir, folder, environment=server.settings) as begin:
        yield begin


def ask(running: Process) -> tuple[int, Any]:
    status, body = running.ask("POST", samples.ROUTE, samples.RAW)
    return status, json.loads(body)


def wait_until(running: Process, *, ready: bool, seconds: float) -> float:
    """How long it took until /readyz said so."""
    started = time.monotonic()
    while running.is_ready() != ready:
        assert time.monotonic() - started < seconds, f"/readyz did not become {ready}."
        time.sleep(0.05)
    return time.monotonic() - started


def test_a_server_that_is_down_at_the_start_is_found_when_it_comes(
    server: RunningServer, start: Start
) -> None:
    server.kill()
    running = start()
    end = time.monotonic() + 20
    while True:
        try:
            live = running.ask("GET", "/livez")[0]
            break
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.05)

    assert live == http.client.OK
    status, problem = ask(running)
    assert (status, problem["code"]) == (http.client.SERVICE_UNAVAILABLE, "not_ready")
    server.start()
    wait_until(running, ready=True, seconds=RECOVERY_SECONDS)
    assert ask(running)[0] == http.client.OK


def test_a_server_that_is_killed_under_load_is_told_honestly_and_found_again(
    server: RunningServer, start: Start
) -> None:
    running = start()
    running.wait_until_ready()
    seen: list[tuple[int, str]] = []

    def note() -> None:
        status, answer = ask(running)
        seen.append((status, answer.get("code", "ok")))
        if status != http.client.OK:  # which comes at once: the model server needs the processors
            time.sleep(0.02)

    with asked_by([note] * 4):
        time.sleep(0.5)
        server.kill()
        wait_until(running, ready=False, seconds=5)
        time.sleep(0.5)
        server.start()
        wait_until(running, ready=True, seconds=RECOVERY_SECONDS)
        time.sleep(0.5)
        before = len(seen)
        time.sleep(0.5)

    assert {code for _, code in seen} <= {"ok", "model_server_unavailable", "not_ready"}
    assert {status for status, _ in seen} == {http.client.OK, http.client.SERVICE_UNAVAILABLE}
    assert {code for _, code in seen[before:]} == {"ok"}


def test_a_server_that_hangs_costs_a_caller_its_time_and_then_nothing(
    server: RunningServer, start: Start
) -> None:
    running = start(REQUEST_TIMEOUT_SECONDS="1")
    running.wait_until_ready()
    server.hang()
    try:
        status, problem = ask(running)
        assert (status, problem["code"]) == (http.client.GATEWAY_TIMEOUT, "deadline_exceeded")
        wait_until(running, ready=False, seconds=10)
        started = time.monotonic()
        status, problem = ask(running)
        assert (status, problem["code"]) == (
            http.client.SERVICE_UNAVAILABLE,
            "model_server_unavailable",
        )
        assert time.monotonic() - started < 0.5
    finally:
        server.go_on()
    wait_until(running, ready=True, seconds=10)
    assert ask(running)[0] == http.client.OK


def test_two_versions_side_by_side_are_switched_and_rolled_back_without_a_lost_request(
    server: RunningServer, start: Start
) -> None:
    running = start()
    running.wait_until_ready()
    seen: list[tuple[int, Any]] = []

    def note() -> None:
        status, answer = ask(running)
        seen.append((status, answer.get("model", answer)))

    def wait_for(version: int) -> None:
        end = time.monotonic() + 2 * RECOVERY_SECONDS
        while ask(running)[1].get("model", {}).get("version") != version:
            assert time.monotonic() < end, f"Version {version} does not answer."
            time.sleep(0.05)

    with asked_by([note] * 4):
        add_version(server, 2)
        manifests.choose(server.model_dir, 2)
        wait_for(2)
        time.sleep(0.5)
        manifests.choose(server.model_dir, 1)
        wait_for(1)

    assert {status for status, _ in seen} == {http.client.OK}, seen[-1]
    assert {model["version"] for _, model in seen} == {1, 2}


def add_version(server: RunningServer, version: int) -> None:
    """Let the server have the first version under another number too."""
    first, target = server.model_dir / "1", server.model_dir / str(version)
    staging = server.model_dir / f".new-{version}"
    staging.mkdir()
    for path in first.rglob("*"):
        copy = staging / path.relative_to(first)
        if path.is_dir():
            copy.mkdir()
        else:
            copy.write_bytes(path.read_bytes())
    manifests.write(manifests.read(first).model_copy(update={"version": version}), staging)
    staging.rename(target)
    server.archive()
