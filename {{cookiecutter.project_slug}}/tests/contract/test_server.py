"""The service as its users run it: a process and a socket. The model is the tests' own."""

import http.client
import json
import os
import pty
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import samples
from fake_version import write_fake_version
from fakes import SETTINGS_OF_THE_MODEL
from load import asked_by
from processes import FAKE_SERVICE, HEADERS, Process, Start, starting


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A function that starts a service with other settings than the defaults."""
    write_fake_version(tmp_path / "default")
    with starting(tmp_path / "default", tmp_path, FAKE_SERVICE) as begin:
        yield begin


@pytest.fixture
def running(start: Start) -> Process:
    """A service that is ready."""
    running = start(DRAIN_SECONDS="1")
    running.wait_until_ready()
    return running


@dataclass
class Client:
    """Asks over one connection, and counts."""

    running: Process
    answered: int = 0
    lost: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.running.port, timeout=10)

    def ask(self) -> None:
        try:
            self.connection.request("POST", samples.ROUTE, samples.RAW, HEADERS)
            response = self.connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.lost.append(repr(error))
            self.connection.close()
            return
        if response.status == http.client.OK:
            self.answered += 1
        else:
            self.lost.append(f"{response.status} {answer!r}")


def test_the_service_answers_over_a_socket(running: Process) -> None:
    status, body = running.ask("POST", samples.ROUTE, samples.RAW)

    assert status == http.client.OK, body
    assert json.loads(body)["model"]["version"] == 1


def test_a_caller_that_sends_too_much_hears_so(running: Process) -> None:
    status, body = running.ask("POST", samples.ROUTE, b"x" * 12_000_000)

    assert status == http.client.REQUEST_ENTITY_TOO_LARGE
    assert json.loads(body)["code"] == "body_too_large"


def test_the_log_ends_with_the_address_once_the_service_is_ready(start: Start) -> None:
    running = start(LOG_LEVEL="info")
    assert running.process.stdout is not None
    events = []
    for line in running.process.stdout:
        events.append(json.loads(line))
        if events[-1]["event"] == "serving":
            break

    assert running.ask("GET", "/readyz")[0] == http.client.OK
    names = [event["event"] for event in events]
    assert names.index("starting") < names.index("loading_model") < names.index("ready")
    assert events[-1]["address"] == f"http://127.0.0.1:{running.port}"


def test_on_a_terminal_the_log_is_for_people(start: Start) -> None:
    mine, terminal = pty.openpty()
    running = start(stdout=terminal, LOG_LEVEL="info")
    os.close(terminal)
    with open(mine, encoding="utf-8") as screen:  # noqa: PTH123  # a file descriptor
        shown = next(line for line in screen if "serving" in line)

        assert f"http://127.0.0.1:{running.port}" in shown
        assert not shown.startswith("{")


def test_sigterm_under_load_loses_no_request(start: Start) -> None:
    """Clients turn away when /readyz says no, as a load balancer's would."""
    running = start(DRAIN_SECONDS="5")
    running.wait_until_ready()
    clients = [Client(running) for _ in range(8)]
    with asked_by([client.ask for client in clients]):
        time.sleep(0.5)
        answered_before = sum(client.answered for client in clients)

        running.process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        while running.ask("GET", "/readyz")[0] == http.client.OK:
            assert time.monotonic() - started < 5, "It was ready until the socket closed."
        time.sleep(0.2)
        answered_while_draining = sum(client.answered for client in clients) - answered_before
    for client in clients:
        client.connection.close()

    assert answered_before > 0
    assert answered_while_draining > 0
    assert [client.lost for client in clients] == [[]] * len(clients)
    assert running.process.wait(10) == 0
    assert 4.9 < time.monotonic() - started < 15


@pytest.mark.parametrize("seconds", [0.3, 1.5])
def test_sigterm_while_the_service_starts_ends_it(start: Start, seconds: float) -> None:
    running = start(DRAIN_SECONDS="1")
    time.sleep(seconds)

    running.process.send_signal(signal.SIGTERM)

    assert running.process.wait(40) in {0, -signal.SIGTERM}  # the latter before Python listens


def test_a_request_under_way_at_sigterm_is_answered(running: Process) -> None:
    """The body arrives only after the signal, and after the time to drain."""
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
    connection.putrequest("POST", samples.ROUTE)
    connection.putheader("Content-Type", samples.RAW_MEDIA_TYPE)
    connection.putheader("Content-Length", str(len(samples.RAW)))
    connection.endheaders(samples.RAW[:10])
    time.sleep(0.2)
    running.process.send_signal(signal.SIGTERM)
    time.sleep(1.5)
    connection.send(samples.RAW[10:])

    assert connection.getresponse().status == http.client.OK
    assert running.process.wait(10) == 0


def test_ctrl_c_does_not_drain(start: Start) -> None:
    running = start(DRAIN_SECONDS="60")
    running.wait_until_ready()

    running.process.send_signal(signal.SIGINT)

    assert running.process.wait(10) == 0


def test_a_second_sigterm_cuts_the_draining_short(start: Start) -> None:
    running = start(DRAIN_SECONDS="60")
    running.wait_until_ready()
    running.process.send_signal(signal.SIGTERM)
    while running.is_ready():
        time.sleep(0.01)
    running.process.send_signal(signal.SIGTERM)

    assert running.process.wait(10) == 0


def test_a_crash_shows_where_it_was_and_in_the_exit_status(running: Process) -> None:
    running.process.send_signal(signal.SIGSEGV)
    said, _ = running.process.communicate(timeout=10)

    assert running.process.returncode == -signal.SIGSEGV
    assert "Fatal Python error: Segmentation fault" in said
    assert "server.py" in said


@pytest.mark.parametrize("name", SETTINGS_OF_THE_MODEL)
def test_a_service_that_has_no_model_ends_with_a_sentence(start: Start, name: str) -> None:
    running = start(**{name: "9"})

    said, _ = running.process.communicate(timeout=60)

    assert running.process.returncode == 1
    reasons = [json.loads(line)["reason"] for line in said.splitlines() if '"reason"' in line]
    assert len(reasons) == 1
    assert reasons[0].startswith(f"{name} is ")
    assert "Traceback" not in said


def test_a_setting_that_is_not_accepted_ends_with_a_sentence(start: Start) -> None:
    running = start(HTTP_THREADS="none")

    said, _ = running.process.communicate(timeout=60)

    assert running.process.returncode == 1
    assert said.startswith("error: HTTP_THREADS is 'none'")


def test_an_address_that_is_taken_ends_with_a_sentence(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        running = start(PORT=str(port))
        said, _ = running.process.communicate(timeout=60)

    assert running.process.returncode == 1
    assert said.startswith(f"error: HOST is 127.0.0.1 and PORT is {port}, where this process")
