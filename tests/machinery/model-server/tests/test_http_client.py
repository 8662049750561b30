"""HTTP to a server that answers badly: what comes of it, after how long, and what is retried."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from collector import Collector

from service import tracing
from service.errors import TimedOut, Unreachable
from service.http_client import Exchange, HttpClient, RetryBudget

pytest_plugins = ["traced"]

SECONDS = 0.5
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"


@contextlib.contextmanager
def answering(*parts: bytes, pause_seconds: float = 0.0, hang: bool = False) -> Iterator[str]:
    """The address of a server that sends *parts*, each after a pause, and then closes or hangs."""
    done = threading.Event()

    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            for part in parts:
                done.wait(pause_seconds)
                with contextlib.suppress(OSError):
                    connection.sendall(part)
            if hang:
                done.wait()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            done.set()
            thread.join()


def ask(url: str) -> Exchange:
    return HttpClient(url, 1).request("GET", "/", seconds=SECONDS)


def test_an_answer_in_pieces_is_whole() -> None:
    with answering(HEAD, b"ab", b"cd", pause_seconds=0.05) as url:
        assert ask(url) == Exchange(200, b"abcd")


@pytest.mark.parametrize(
    ("parts", "pause_seconds"),
    [((), 0.0), ((HEAD,), 0.4), ((HEAD, b"a"), 0.2), ((HEAD, b"a", b"b", b"c"), 0.2)],
    ids=["says nothing", "stops after the head", "stops within the body", "drips"],
)
def test_an_answer_has_so_long_as_a_whole(parts: tuple[bytes, ...], pause_seconds: float) -> None:
    with answering(*parts, pause_seconds=pause_seconds, hang=True) as url:
        started = time.monotonic()

        with pytest.raises(TimedOut):
            ask(url)

        assert SECONDS - 0.05 < time.monotonic() - started < SECONDS + 0.2


@pytest.mark.parametrize("parts", [(), (HEAD,), (HEAD, b"ab"), (b"noise\r\n\r\n",)])
def test_an_answer_that_breaks_off_is_none(parts: tuple[bytes, ...]) -> None:
    with answering(*parts) as url, pytest.raises(Unreachable):
        ask(url)


def test_a_port_on_which_nobody_listens_is_not_reached() -> None:
    with pytest.raises(Unreachable, match="takes no connection"):
        ask("http://127.0.0.1:9")


class Server(ThreadingHTTPServer):
    """Answers with these statuses, one after the other, each after a pause; 0 breaks off."""

    def __init__(self, *statuses: int, pause_seconds: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.statuses = list(statuses)
        self.pause_seconds = pause_seconds
        self.requests = 0
        self.traces: list[str | None] = []
        """As the caller tells of them."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    """One answer of a :class:`Server`."""

    server: Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.traces.append(self.headers["traceparent"])
        time.sleep(self.server.pause_seconds)
        status = self.server.statuses[self.server.requests]
        self.server.requests += 1
        if status:
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"me")

    do_GET = do_POST  # noqa: N815  # http.server's name

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serving(*statuses: int, pause_seconds: float = 0.0) -> Iterator[Server]:
    with Server(*statuses, pause_seconds=pause_seconds) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def post(client: HttpClient, seconds: float = 5) -> int:
    return client.request("POST", "/", seconds=seconds, body=b"x").status


@pytest.mark.parametrize("status", [0, 429, 500, 502, 503])
def test_what_another_try_may_fix_is_sent_again_twice(status: int) -> None:
    with serving(status, status, 200) as server:
        assert post(HttpClient(server.url, 1)) == 200
        assert server.requests == 3


def test_the_last_try_is_what_counts() -> None:
    with serving(500, 500, 503) as server:
        assert post(HttpClient(server.url, 1)) == 503
    with serving(0, 0, 0) as server, pytest.raises(Unreachable, match="broken off"):
        post(HttpClient(server.url, 1))
    assert server.requests == 3


@pytest.mark.parametrize("status", [200, 400, 404, 424, 504])
def test_what_another_try_cannot_fix_is_sent_once(status: int) -> None:
    with serving(status) as server:
        assert post(HttpClient(server.url, 1)) == status
        assert server.requests == 1


def test_a_time_out_is_final_and_all_tries_share_one_deadline() -> None:
    with serving(503, 503, 503, 503, pause_seconds=0.3) as server:
        started = time.monotonic()
        with pytest.raises(TimedOut):
            post(HttpClient(server.url, 1), seconds=0.5)
        assert time.monotonic() - started < 0.8
    assert server.requests <= 2


def test_a_probe_is_sent_once() -> None:
    with serving(503) as server:
        assert HttpClient(server.url, 1).request(
            "GET", "/", seconds=5, headers={"Content-Length": "0"}
        ) == Exchange(503, b"me")
        assert server.requests == 1


def test_retries_end_when_their_budget_is_used_up() -> None:
    with serving(*[503] * 30) as server:
        client = HttpClient(server.url, 1)
        assert {post(client) for _ in range(20)} == {503}
        assert server.requests == 30


def test_ten_answers_earn_one_retry_and_a_half_earned_one_does_not_count() -> None:
    budget = RetryBudget()
    assert [budget.take() for _ in range(11)] == [True] * 10 + [False]
    for _ in range(9):
        budget.earn()
    assert not budget.take()
    for _ in range(2):
        budget.earn()
    assert budget.take()
    assert not budget.take()


def test_no_more_than_ten_retries_are_saved_up() -> None:
    budget = RetryBudget()
    for _ in range(1000):
        budget.earn()

    assert sum(budget.take() for _ in range(20)) == 10


def test_the_server_hears_of_the_trace(collector: Collector) -> None:
    with serving(503, 200, 200) as server:
        client = HttpClient(server.url, 1)
        with tracing.call(server.url):
            assert post(client) == 200  # by its second try
        collector.flush()
        assert post(client) == 200  # without a trace
        (span,) = collector.named("model server")
        told = f"00-{span.trace_id.hex()}-{span.span_id.hex()}-03"  # sampled, and random
        assert server.traces == [told, told, None]
