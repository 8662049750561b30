"""What callers may do to their connections, and what nobody else notices of it."""

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import samples
from asking import wait_for
from processes import free_port
from served import HEAD, THREADS, Served, code_of, serving

from service.server import listen
from service.settings import Settings

MANY = 40
CUT_SHORT = f"{HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
HALF = f"{HEAD}Content-Length: 1000\r\n\r\nx"
LARGE = "GET /static/swagger-ui.js HTTP/1.1\r\nHost: a\r\n\r\n"
"""Asks for more than the system holds for a caller that does not read."""
UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
PROBES = ("/livez", "/readyz", "/metrics")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served")) as served:
        yield served


def test_probes_and_requests_are_answered_whatever_other_connections_do(served: Served) -> None:
    with contextlib.ExitStack() as stack:
        for text in ("", "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n", "GET /l", HALF, LARGE):
            for _ in range(MANY):
                connection = stack.enter_context(served.connect())
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.sendall(text.encode())

        for path in PROBES:
            started = time.monotonic()
            assert served.ask(path)[0] == http.client.OK
            assert time.monotonic() - started < 1
        assert served.ask(samples.ROUTE, samples.RAW)[0] == http.client.OK


@pytest.mark.parametrize(("text", "status"), [("", None), ("GET / HTTP", 408), (HALF, 408)])
def test_a_caller_that_sends_nothing_more_is_left(
    served: Served, text: str, status: int | None
) -> None:
    with served.connect() as connection:
        connection.sendall(text.encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    if status is None:
        assert answer == b""
    else:
        assert answer.startswith(f"HTTP/1.1 {status} ".encode())
        assert code_of(answer.partition(b"\r\n\r\n")[2]) == "request_timeout"


def test_a_caller_that_does_not_read_is_left(served: Served) -> None:
    with served.connect() as connection:
        port = connection.getsockname()[1]
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(20):
            connection.sendall(LARGE.encode())
        wait_for(lambda: port in served.ports)
        wait_for(lambda: port not in served.ports, seconds=20)


def test_a_connection_outlives_the_pause_of_a_load_balancer_by_default() -> None:
    assert Settings.model_fields["keep_alive_seconds"].default > 60


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        (CUT_SHORT, 400, "malformed_body"),
        (HALF, 400, "malformed_body"),
        (f"{HEAD}Content-Length: many\r\n\r\n", 400, "malformed_body"),
        (f"{HEAD}Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "malformed_body"),
        (f"{HEAD}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "malformed_body"),
        (f"{HEAD}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, "malformed_request"),
        ("GET /livez HTTP/1.1\r\n\r\n", 400, "malformed_request"),
        ("GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "malformed_request"),
        ("GET /livez HTTP/1.1\r\nHost: a b/../<x>\r\n\r\n", 400, "malformed_request"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "malformed_request"),
        (f"GET /livez HTTP/1.1\r\nHost: a\r\n{'X: y' * 20_000}", 431, "malformed_request"),
        (f"GET /livez HTTP/1.1\r\nHost: a\r\n{UPGRADE}\r\n", 400, "malformed_request"),
        (f"GET / HTTP/1.1\r\nHost: a\r\n{UPGRADE}\r\n", 400, "malformed_request"),
        ("GET //livez HTTP/1.1\r\nHost: a\r\n\r\n", 404, "not_found"),
        (f"GET /{samples.ROUTE} HTTP/1.1\r\nHost: a\r\n\r\n", 404, "not_found"),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 404, "not_found"),
    ],
)
def test_what_is_no_request_is_refused(served: Served, text: str, status: int, code: str) -> None:
    found, answer = served.say(text, end=code == "malformed_body")

    assert (found, code_of(answer)) == (status, code), answer


@pytest.mark.parametrize("encoding", ["Identity", "identity", ""])
def test_a_body_that_says_it_is_not_compressed_is_read(served: Served, encoding: str) -> None:
    status, answer = served.ask(samples.ROUTE, samples.RAW, **{"Content-Encoding": encoding})

    assert status == http.client.OK, answer


def test_a_chunked_body_is_read_and_limited(tmp_path: Path) -> None:
    with serving(tmp_path, max_body_bytes=len(samples.RAW)) as served:
        for body, status in ((samples.RAW, 200), (samples.RAW + b"x", 413)):
            head = f"{HEAD}Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n"
            found, answer = served.say(f"{head}{body.decode('latin-1')}\r\n0\r\n\r\n")
            assert found == status, answer


def test_a_request_that_finds_no_place_is_refused_at_once(served: Served) -> None:
    """Probes need none."""
    served.model.gate.clear()
    served.model.entered.clear()
    statuses: list[int] = []

    def ask() -> None:
        statuses.append(served.ask(samples.ROUTE, samples.RAW)[0])

    asking = [threading.Thread(target=ask) for _ in range(THREADS)]
    for thread in asking:
        thread.start()
    assert served.model.entered.wait(5)
    time.sleep(0.2)

    started = time.monotonic()
    status, answer = served.ask(samples.ROUTE, samples.RAW)

    assert time.monotonic() - started < 0.5
    assert (status, code_of(answer)) == (http.client.SERVICE_UNAVAILABLE, "queue_full")
    assert int(served.headers["retry-after"]) >= 1
    assert [served.ask(path)[0] for path in PROBES] == [http.client.OK] * len(PROBES)
    served.model.gate.set()
    for thread in asking:
        thread.join()
    assert statuses == [http.client.OK] * THREADS


def test_a_connection_that_waits_for_nothing_gives_way(tmp_path: Path) -> None:
    with serving(tmp_path, max_connections=3) as served, contextlib.ExitStack() as stack:
        for _ in range(9):
            stack.enter_context(served.connect())

        assert served.ask("/livez")[0] == http.client.OK
        assert len(served.server.server_state.connections) <= 3


@pytest.mark.parametrize("host", ["localhost", "[::1]", "::1", "[::]", "0.0.0.0"])  # noqa: S104
def test_a_service_listens_at_a_name_and_at_addresses_of_both_kinds(host: str) -> None:
    if ":" in host and not socket.has_dualstack_ipv6():
        pytest.skip("There is no IPv6 here.")
    port = free_port()
    sockets = listen(host, port)
    try:
        socket.create_connection((host.strip("[]"), port), timeout=5).close()
    finally:
        for each in sockets:
            each.close()
