"""What the load test says of a service that keeps up, is slow, wrong, broken, or overloaded."""

import http.server
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.loadtest import percentile

ROOT = Path(__file__).parents[1]
Answering = Callable[[int], tuple[int, dict[str, object]]]
"""The number of a request, from 1, to the status and the answer."""
LIMIT_SECONDS = 0.2


class Server(http.server.ThreadingHTTPServer):
    """A service that is ready, and answers as a test says."""

    daemon_threads = True

    def __init__(self, answering: Answering) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answering = answering
        self.asked = 0
        self.lock = threading.Lock()

    def next_number(self) -> int:
        with self.lock:
            self.asked += 1
            return self.asked


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers one connection's requests."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self._answer(200, {})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(*self.server.answering(self.server.next_number()))

    def _answer(self, status: int, answer: dict[str, object]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


LoadTest = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def load_test(tmp_path: Path) -> Iterator[LoadTest]:
    """Run the command against a service; it asks one example, whose answer must be "right"."""
    (tmp_path / "question.txt").write_text("?")
    expected = {"/ask": {"question.txt": {"answer": "right"}}}
    (tmp_path / "expected.json").write_text(json.dumps(expected))
    servers: list[Server] = []

    def run(answering: Answering, *words: str) -> "subprocess.CompletedProcess[str]":
        servers.append(Server(answering))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        command = [sys.executable, "-m", "service.loadtest"]
        command += [f"http://127.0.0.1:{servers[-1].server_address[1]}/"]
        command += ["--seconds", "1", "--p95-seconds", str(LIMIT_SECONDS)]
        command += ["--examples", str(tmp_path), "--report", str(tmp_path / "report.json"), *words]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )

    yield run
    for server in servers:
        server.shutdown()
        server.server_close()


def right(_number: int) -> tuple[int, dict[str, object]]:
    return 200, {"answer": "right", "score": 1}


def test_a_service_that_keeps_up_passes(load_test: LoadTest, tmp_path: Path) -> None:
    done = load_test(right)

    assert done.returncode == 0, done.stderr
    assert "errors: none" in done.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["clients"] == 4
    assert report["requests"] > 4
    assert report["requests"] == pytest.approx(report["requests_per_second"] * report["seconds"])
    assert 0 < report["p50_seconds"] <= report["p95_seconds"] <= report["p99_seconds"]
    assert report["errors"] == {}
    assert report["faults"] == []


def test_a_service_that_is_ten_times_too_slow_fails(load_test: LoadTest, tmp_path: Path) -> None:
    def slow(number: int) -> tuple[int, dict[str, object]]:
        time.sleep(LIMIT_SECONDS * 10 / 4)  # the limit is some four times what is usual
        return right(number)

    done = load_test(slow)

    assert done.returncode == 1
    assert "95 of 100 answers came within" in done.stderr
    assert "200.0 ms is accepted" in done.stderr
    assert done.stdout.count("latency: ") == 3
    assert len(json.loads((tmp_path / "report.json").read_text())["faults"]) == 1


def test_a_service_that_was_slow_for_a_while_is_measured_again(load_test: LoadTest) -> None:
    end = time.monotonic() + 3  # the warm-up takes the first, a round the second

    def slow_at_first(number: int) -> tuple[int, dict[str, object]]:
        if time.monotonic() < end:
            time.sleep(LIMIT_SECONDS * 2)
        return right(number)

    done = load_test(slow_at_first)

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("latency: ") > 1


def test_overload_is_counted_apart_and_fails(load_test: LoadTest, tmp_path: Path) -> None:
    def overloaded(number: int) -> tuple[int, dict[str, object]]:
        return (503, {}) if number % 4 == 0 else right(number)

    done = load_test(overloaded)

    report = json.loads((tmp_path / "report.json").read_text())
    assert done.returncode == 1
    assert "of the requests failed; 1.0% is accepted" in done.stderr
    assert report["errors"]["503"] > 0
    assert f"errors: {report['errors']['503']} x 503" in done.stdout
    assert load_test(overloaded, "--error-share", "0.5").returncode == 0


def test_wrong_answers_are_errors(load_test: LoadTest) -> None:
    done = load_test(lambda _: (200, {"answer": "left"}))

    assert done.returncode == 1
    assert "wrong answer" in done.stdout
    assert "No request had a right answer." in done.stderr


def test_a_service_that_breaks_off_fails(load_test: LoadTest) -> None:
    def broken(_number: int) -> tuple[int, dict[str, object]]:
        raise ConnectionAbortedError

    done = load_test(broken)

    assert done.returncode == 1
    assert "RemoteDisconnected" in done.stdout


def test_a_service_that_is_not_there_fails_with_its_address(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "service.loadtest", "http://127.0.0.1:9", "--timeout", "0.1"]
    command += ["--p95-seconds", "1", "--report", str(tmp_path / "report.json")]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "http://127.0.0.1:9 was not ready" in done.stderr
    assert not (tmp_path / "report.json").exists()


@pytest.mark.parametrize(
    ("share", "value"), [(0.5, 10), (0.95, 19), (0.99, 20), (1.0, 20), (0.01, 1)]
)
def test_a_percentile_is_the_least_that_so_many_do_not_exceed(share: float, value: float) -> None:
    assert percentile(list(range(1, 21)), share) == value
    assert percentile([], share) is None
