"""API keys: who is let in, told how, and counted; over HTTP, and line by line."""

import json
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

import pytest
import samples
from asking import path_of, wait_for
from fake_version import write_fake_version
from processes import FAKE_SERVICE, Process, Start, starting
from structlog.testing import capture_logs

from service.errors import OwnerError
from service.settings import Settings
from service.web.access import Access, parse
from service.web.routes import ROUTES

KEY, OTHER, METRICS = "a-key-of-the-tests", "another-key", "a-key-for-metrics"
FEW, NARROW = "a-key-for-few", "a-key-for-two-at-a-time"
OPEN = {"/", "/docs", "/openapi.json", "/static/{name}", "/livez", "/readyz"}
TYPE = ("Content-Type", samples.RAW_MEDIA_TYPE)


def line_of(name: str, key: str, *facts: str) -> str:
    return " ".join([name, sha256(key.encode()).hexdigest(), *facts])


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.body)
        return found


def send(running: Process, path: str, body: bytes | None = None, **headers: str) -> Answer:
    """The answer; an underscore in a header's name stands for a dash."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    method = "GET" if body is None else "POST"
    with closing(HTTPConnection("127.0.0.1", running.port, timeout=30)) as connection:
        connection.request(method, path, body, dict([TYPE]) | named)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())


def predict(running: Process, **headers: str) -> Answer:
    return send(running, samples.ROUTE, samples.RAW, **headers)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("access")
    write_fake_version(made / "default")
    (made / "keys").write_text(
        "# who may call\n"
        f"{line_of('crm', KEY)} # the only one that may predict\n\n"
        f"{line_of('prometheus', METRICS, 'scopes=metrics')}\n",
        encoding="utf-8",
    )
    return made


@pytest.fixture(scope="module")
def begin(folder: Path) -> Iterator[Start]:
    with starting(folder / "default", folder, FAKE_SERVICE) as found:
        yield found


@pytest.fixture(scope="module")
def running(begin: Start, folder: Path) -> Process:
    """A service with keys, ready."""
    process = begin(API_KEYS_FILE=str(folder / "keys"), REQUIRE_API_KEYS="1")
    process.wait_until_ready()
    return process


@pytest.fixture(scope="module")
def counting(begin: Start) -> Process:
    """A service whose keys have quotas, ready."""
    keys = [
        line_of("few", FEW, "requests_per_minute=3"),
        line_of("narrow", NARROW, "concurrent=2"),
        line_of("many", KEY),
    ]
    process = begin(API_KEYS=";".join(keys))
    process.wait_until_ready()
    return process


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    with starting(folder / "default", folder, FAKE_SERVICE) as found:
        yield found


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer   {KEY} "},
        {"X_API_Key": KEY},
        {"x_api_key": KEY, "Authorization": "Basic bWU6eW91"},
    ],
)
def test_a_key_is_taken_from_either_header(running: Process, headers: dict[str, str]) -> None:
    assert predict(running, **headers).status == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": f"Bearer {OTHER}"}, {"X_API_Key": ""}, {"Authorization": KEY}],
)
def test_a_request_without_a_known_key_is_told_how_to_send_one(
    running: Process, headers: dict[str, str]
) -> None:
    answer = predict(running, **headers)

    assert (answer.status, answer.problem["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["x-request-id"] == answer.problem["request_id"]
    assert "X-API-Key" in str(answer.problem["detail"])


def test_every_route_but_probes_and_pages_needs_a_key(running: Process) -> None:
    for route in ROUTES:
        path = path_of(route.path).replace("/static/default", "/static/page.js")
        body = None if route.method == "GET" else samples.RAW
        assert send(running, path, body).status == (200 if route.path in OPEN else 401), path
        if route.path != "/metrics":
            assert send(running, path, body, X_API_Key=KEY).status not in {401, 403}, path


def test_protocols_have_the_refusal_where_they_look_for_it(running: Process) -> None:
    protocols = {route.path.split("/")[1] for route in ROUTES} & {"v1", "v2"}
    for protocol in protocols:
        answer = send(running, f"/{protocol}/models/default")
        error = answer.problem["error"]
        assert answer.status == 401
        assert (error["code"] if isinstance(error, dict) else error) in {
            "unauthorized",
            answer.problem["detail"],
        }
    assert protocols


def test_a_key_does_what_its_scopes_say(running: Process) -> None:
    assert send(running, "/metrics", X_API_Key=METRICS).status == 200
    for answer in (predict(running, X_API_Key=METRICS), send(running, "/metrics", X_API_Key=KEY)):
        assert (answer.status, answer.problem["code"]) == (403, "forbidden")
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


def test_the_body_of_a_caller_without_a_key_is_not_kept(running: Process) -> None:
    def memory() -> int:
        status = Path(f"/proc/{running.process.pid}/status").read_text("ascii")
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0])

    if not Path("/proc/self/status").exists():
        pytest.skip("The system does not tell how much memory a process has.")
    before = memory()
    held = []
    for _ in range(40):
        connection = socket.create_connection(("127.0.0.1", running.port), timeout=30)
        connection.sendall(
            f"POST {samples.ROUTE} HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n".encode()
            + bytes(4_000_000)
        )
        held.append(connection)

    grown = memory() - before
    for connection in held:
        connection.close()

    assert grown < 40_000, f"{grown} kB for 160 MB that were sent"
    wait_for(running.is_ready)


def test_who_sends_a_large_body_without_a_key_hears_why(running: Process) -> None:
    with closing(HTTPConnection("127.0.0.1", running.port, timeout=30)) as connection:
        for _ in range(2):  # over one connection
            connection.request("POST", samples.ROUTE, bytes(8_000_000))
            response = connection.getresponse()
            assert response.status == 401
            response.read()
        connection.request(
            "POST", samples.ROUTE, b"", {"Content-Length": "9", "Expect": "100-continue"}
        )
        assert connection.getresponse().status == 401  # at once: the body is never sent


def test_keys_are_read_again_when_the_file_changes(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(line_of("crm", KEY), encoding="utf-8")
    running = start(API_KEYS_FILE=str(path))  # what it says is read at the end, so it says little
    running.wait_until_ready()
    assert predict(running, X_API_Key=KEY).status == 200

    new = tmp_path / "new"
    new.write_text(line_of("crm", OTHER), encoding="utf-8")
    new.replace(path)
    wait_for(lambda: predict(running, X_API_Key=OTHER).status == 200)
    assert predict(running, X_API_Key=KEY).status == 401

    for wrong in ("", "crm", line_of("crm", KEY, "scopes=all")):  # it would open, or mean nothing
        path.write_text(wrong, encoding="utf-8")
        time.sleep(1.2)
        assert predict(running).status == 401
        assert predict(running, X_API_Key=OTHER).status == 200
    path.unlink()
    time.sleep(1.2)
    assert predict(running, X_API_Key=OTHER).status == 200
    path.write_text(line_of("crm", KEY), encoding="utf-8")
    wait_for(lambda: predict(running, X_API_Key=KEY).status == 200)

    running.process.terminate()
    said, _ = running.process.communicate(timeout=30)
    assert said.count("cannot_read_api_keys") >= 4
    assert KEY not in said
    assert OTHER not in said


def test_a_mounted_secret_that_is_replaced_is_read_again(start: Start, tmp_path: Path) -> None:
    def write(name: str, key: str) -> None:
        """As a kubelet does: a new folder, and a link to it in the place of the former."""
        (tmp_path / name).mkdir()
        (tmp_path / name / "keys").write_text(line_of("crm", key), encoding="utf-8")
        (tmp_path / "..data_tmp").symlink_to(name)
        (tmp_path / "..data_tmp").replace(tmp_path / "..data")

    write("..first", KEY)
    path = tmp_path / "keys"
    path.symlink_to("..data/keys")
    running = start(API_KEYS_FILE=str(path), REQUIRE_API_KEYS="True")
    running.wait_until_ready()
    assert predict(running, X_API_Key=KEY).status == 200

    write("..second", OTHER)
    shutil.rmtree(tmp_path / "..first")
    wait_for(lambda: predict(running, X_API_Key=OTHER).status == 200)
    assert predict(running, X_API_Key=KEY).status == 401


def test_requests_per_minute_are_counted_by_key(counting: Process) -> None:
    answers = [predict(counting, X_API_Key=FEW) for _ in range(5)]

    assert [each.status for each in answers] == [200, 200, 200, 429, 429]
    left = [each.headers["ratelimit"].split(";")[1] for each in answers]
    assert left == ["r=2", "r=1", "r=0", "r=0", "r=0"]
    last = answers[-1]
    assert last.headers["ratelimit-policy"] == '"requests";q=3;w=60'
    assert 10 <= int(last.headers["retry-after"]) <= 20
    assert last.problem["code"] == "too_many_requests"
    other = predict(counting, X_API_Key=KEY)
    assert other.status == 200
    assert "ratelimit" not in other.headers
    assert counting.is_ready()


def test_one_key_has_so_many_requests_at_a_time(counting: Process) -> None:
    held = []
    for _ in range(2):
        connection = HTTPConnection("127.0.0.1", counting.port, timeout=30)
        connection.putrequest("POST", samples.ROUTE)
        length = str(len(samples.RAW))
        for name, value in (TYPE, ("X-API-Key", NARROW), ("Content-Length", length)):
            connection.putheader(name, value)
        connection.endheaders(samples.RAW[:5])  # the rest is still to come
        held.append(connection)
    wait_for(lambda: predict(counting, X_API_Key=NARROW).status == 429)

    assert predict(counting, X_API_Key=NARROW).headers["retry-after"] == "1"
    assert predict(counting, X_API_Key=KEY).status == 200
    held.pop().close()  # who leaves has its place no longer
    wait_for(lambda: predict(counting, X_API_Key=NARROW).status == 200)
    held[0].send(samples.RAW[5:])
    assert held[0].getresponse().status == 200
    held[0].close()


def test_a_service_that_requires_keys_does_not_start_without(start: Start) -> None:
    said, _ = (running := start(REQUIRE_API_KEYS="1")).process.communicate(timeout=60)

    assert running.process.returncode == 1
    assert said.startswith("error: REQUIRE_API_KEYS is on")
    assert "make key NAME=" in said


@pytest.mark.parametrize(("host", "is_loud"), [("0.0.0.0", True), ("::", True), ("[::1]", False)])  # noqa: S104
def test_an_open_address_without_keys_is_said_loudly(host: str, *, is_loud: bool) -> None:
    with capture_logs() as said:
        Access(Settings(host=host))
        Access(Settings(host=host, api_keys=line_of("crm", KEY)))

    assert [each["event"] for each in said] == ["no_api_keys"] * is_loud


@pytest.mark.parametrize(
    "line",
    [
        "crm",
        f"crm {KEY}",
        line_of("crm", KEY, "scopes=all"),
        line_of("crm", KEY, "requests_per_minute=0"),
        line_of("crm", KEY, "per_hour=1"),
        line_of("crm", KEY, "scopes"),
        line_of("my/key", KEY),
        f"a {'0' * 64} name=b",
    ],
)
def test_a_line_that_is_wrong_is_named_and_not_repeated(line: str) -> None:
    with pytest.raises(OwnerError, match=r"keys, line 2: .+ A line is NAME SHA256") as caught:
        parse(f"# mine\n{line}\n", "keys")

    assert KEY not in str(caught.value)


def test_a_file_that_opens_to_everybody_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    with pytest.raises(OwnerError, match="No such file"):
        Access(Settings(api_keys_file=path))
    path.write_text("# none yet\n", encoding="utf-8")
    with pytest.raises(OwnerError, match="has no key"):
        Access(Settings(api_keys_file=path))
    path.write_text(f"{line_of('a', KEY)}\n{line_of('a', OTHER)}", encoding="utf-8")
    with pytest.raises(OwnerError, match="the same name"):
        Access(Settings(api_keys_file=path))
