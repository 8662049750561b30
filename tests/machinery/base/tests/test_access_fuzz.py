"""No spelling of a request passes for one with a key."""

import os
import random
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.parse import quote

import pytest
import samples
from asking import path_of
from fake_version import write_fake_version
from processes import FAKE_SERVICE, ROOT, Process, starting

from service.web.routes import ROUTES

KEY = "a-key-of-the-tests"
OPEN = {"/", "/docs", "/openapi.json", "/livez", "/readyz"}
"""And files of the pages."""
TYPE = f"Content-Type: {samples.RAW_MEDIA_TYPE}"
TRIES, CLIENTS = 10_000, 4


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Process]:
    write_fake_version(tmp_path / "default")
    with starting(tmp_path / "default", tmp_path, FAKE_SERVICE) as start:
        process = start(API_KEYS=f"crm {sha256(KEY.encode()).hexdigest()}")
        process.wait_until_ready()
        yield process


class Fuzz:
    """Requests that have no key where keys are read, or the right one written wrongly."""

    METHODS = (*["GET", "POST"] * 4, "HEAD", "PUT", "OPTIONS", "DELETE", "TRACE", "get", "PRI")
    BEFORE = (
        *[""] * 10,
        "/",
        "//",
        "/.",
        "/static/..",
        "/static/%2e%2e",
        "/livez/..",
        "/%2e",
        "/x/..",
    )
    BEHIND = (
        *[""] * 14,
        "/",
        "//",
        "%2f",
        "?",
        f"?key={KEY}",
        ";a=b",
        "%00",
        "#x",
        "/.",
        "/livez",
        "%3f",
        "/../livez",
    )
    HOSTS = (
        *[""] * 10,
        "http://localhost",
        "http://localhost/livez/..",
        "https://x:1",
        "*",
        "//livez",
    )
    KEYS = (
        "",
        f"Authorization: Basic {KEY}",
        f"Authorization: {KEY}",
        f"Authorization: Bearer {KEY[:-1]}",
        f"Authorization: Bearer {KEY}x",
        f"Authorization: Bearer {KEY.upper()}",
        f"Authorization: Bearer {sha256(KEY.encode()).hexdigest()}",
        f"Authorization: Bearer {KEY}, Bearer {KEY}",
        f"Authorization: Bearer x\r\nAuthorization: Bearer {KEY}",
        f"Authorization: Bearer {quote(KEY, safe='').replace('-', '%2D')}",
        f'Authorization: Bearer "{KEY}"',
        f"Authorization: Bearer\xa0{KEY}",
        f"Authorization: Bearer=\t{KEY}",
        "Authorization: Bearer ",
        "Authorization: Bearer *",
        f"X_API_KEY: {KEY}",
        f"X-API-KEY: x\r\nX-API-KEY: {KEY}",
        f"X-API-Key: {KEY}\x80",
        "X-API-Key: ",
        f"Api-Key: {KEY}",
        f"Cookie: X-API-Key={KEY}",
        f"Proxy-Authorization: Bearer {KEY}",
    )
    OTHERS = (
        "",
        "",
        "X-Original-URL: /livez",
        "X-Rewrite-URL: /livez",
        "X-HTTP-Method-Override: GET",
        "X-Forwarded-Prefix: /livez",
        "X-Forwarded-For: 127.0.0.1",
        "Script-Name: /livez",
        "Path-Info: /livez",
        "Upgrade: websocket\r\nConnection: Upgrade",
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
        "Origin: http://localhost\r\nAccess-Control-Request-Method: POST",
        "Transfer-Encoding: chunked",
        "Expect: 100-continue",
    )

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311  # no secret

    def target(self) -> str:
        route = path_of(self._chance.choice(ROUTES).path)
        if self._chance.random() < 0.3:
            place = self._chance.randrange(1, len(route) + 1)
            odd = self._chance.choice(
                ["%2f", "/", "%5c", "\\", "%0a", "%20", "é", ".", "%c0%af", "%252f"]
            )
            route = route[:place] + odd + route[place:]
        if self._chance.random() < 0.3:
            many = range(1 + self._chance.randrange(3))
            places = [self._chance.randrange(len(route)) for _ in many]
            route = "".join(
                f"%{ord(sign):02x}" if place in places and ord(sign) < 128 else sign
                for place, sign in enumerate(route)
            )
        if self._chance.random() < 0.1:
            route = route.upper()
        choose = self._chance.choice
        return choose(self.HOSTS) + choose(self.BEFORE) + route + choose(self.BEHIND)

    def request(self) -> bytes:
        choose = self._chance.choice
        method, others = choose(self.METHODS), choose(self.OTHERS)
        body = samples.RAW if method != "GET" and len(samples.RAW) < 5000 else b""
        lines = [f"{method} {self.target()} HTTP/1.{choose('1' * 30 + '0')}", "Host: localhost"]
        lines += [each for each in (choose(self.KEYS), others, TYPE) if each]
        if "chunked" in others:
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        elif body:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class Connection:
    """Sends one request after another, over one connection as long as it is open."""

    def __init__(self, running: Process) -> None:
        self._address = ("127.0.0.1", running.port)
        self._socket: socket.socket | None = None

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer; once more where the server had closed the connection."""
        try:
            return self._ask(request)
        except (OSError, HTTPException):
            self.close()
        return self._ask(request)

    def _ask(self, request: bytes) -> tuple[int, bytes]:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=10)
        self._socket.sendall(request)
        response = HTTPResponse(self._socket, method=request.partition(b" ")[0].decode().upper())
        response.begin()
        found = response.status, response.read()
        if response.will_close or b"Expect" in request:  # then its body is still to be read
            self.close()
        return found

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def fuzz(running: Process, seed: int, shown: set[bytes]) -> Counter[int]:
    """How often each status was the answer; fails where one says more than it may."""
    requests, connection, statuses = Fuzz(seed), Connection(running), Counter[int]()
    for _ in range(TRIES // CLIENTS):
        request = requests.request()
        status, body = connection.ask(request)
        statuses[status] += 1
        said = f"seed {seed}: {request!r} was answered with {status} {body[:200]!r}"
        method = request.partition(b" ")[0]
        if status < 400:
            assert method == b"HEAD" or (method == b"GET" and body), said
            assert body in shown, said
        else:
            assert status in {400, 401, 404, 431, 501}, said
            # Of what is open, static files alone can be missing.
            assert status != 404 or not body or b"There is no file" in body, said
    connection.close()
    return statuses


def test_nothing_but_the_open_routes_answers_without_a_key(running: Process) -> None:
    static = ROOT / "src" / "service" / "web" / "static"
    shown = {running.ask("GET", path)[1] for path in OPEN} | {b""}
    shown |= {each.read_bytes() for each in static.iterdir()}
    seed = int(os.environ.get("SEED", "0"))  # the same in each run; another finds more

    with ThreadPoolExecutor(CLIENTS) as pool:
        found = pool.map(lambda client: fuzz(running, seed + client, shown), range(CLIENTS))
        statuses = sum(found, Counter[int]())

    assert statuses.total() == TRIES
    assert statuses[401] > TRIES / 2, statuses
    assert statuses[200] > TRIES / 100, statuses
    running.process.terminate()
    assert running.process.communicate(timeout=30)[0] == ""  # nothing failed in any test here
