"""Pages of other origins, proxies, switches, and what the log says of a request."""

import json
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import samples
from fake_version import write_fake_version
from processes import FAKE_SERVICE, Process, free_port, starting
from pydantic import ValidationError

from service.settings import Settings

KEY, ORIGIN = "a-key-of-the-tests", "https://app.example"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("edge")


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Process]:
    write_fake_version(folder / "default")
    with (
        (folder / "log").open("w", encoding="utf-8") as log,
        starting(folder / "default", folder, FAKE_SERVICE) as start,
    ):
        process = start(
            stdout=log.fileno(),
            API_KEYS=f"crm {sha256(KEY.encode()).hexdigest()} requests_per_minute=1000",
            CORS_ORIGINS=f"{ORIGIN}, http://localhost:3000",
            TRUSTED_PROXIES="127.0.0.0/8",
            SERVE_DOCS="false",
            SERVE_METRICS="false",
            LOG_LEVEL="info",
        )
        process.wait_until_ready()
        yield process


def send(
    running: Process, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body; an underscore in a header's name stands for a dash."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named["Content-Type"] = samples.RAW_MEDIA_TYPE
    with closing(HTTPConnection("127.0.0.1", running.port, timeout=30)) as connection:
        connection.request(method, path, body, named)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return response.status, found, response.read()


def logged(folder: Path, request_id: str) -> dict[str, Any]:
    """What the log says of a request."""
    lines = (folder / "log").read_text("utf-8").splitlines()
    requests = [json.loads(line) for line in lines if '"request"' in line]
    (found,) = [each for each in requests if each["request_id"] == request_id]
    return dict(found)


def test_a_page_of_a_named_origin_may_ask_and_read(running: Process) -> None:
    asked = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "x-api-key"}

    status, headers, body = send(running, "OPTIONS", samples.ROUTE, None, Origin=ORIGIN, **asked)

    assert (status, body) == (204, b"")
    assert headers["access-control-allow-origin"] == ORIGIN
    assert headers["access-control-allow-headers"] == "*, Authorization"
    assert "access-control-allow-credentials" not in headers
    for key, expected in ((KEY, 200), ("none", 401)):  # a refusal is to be read, too
        status, headers, _ = send(
            running, "POST", samples.ROUTE, samples.RAW, Origin=ORIGIN, X_API_Key=key
        )
        assert (status, headers["access-control-allow-origin"]) == (expected, ORIGIN)
        assert headers["vary"] == "Origin"
    assert "X-Request-Id" in headers["access-control-expose-headers"]


@pytest.mark.parametrize("origin", ["https://other.example", f"{ORIGIN}.evil.example", "null", ""])
def test_a_page_of_another_origin_may_not(running: Process, origin: str) -> None:
    asked = {"Access_Control_Request_Method": "POST"}

    status, headers, _ = send(running, "OPTIONS", samples.ROUTE, None, Origin=origin, **asked)

    assert status == 401
    assert "access-control-allow-origin" not in headers
    assert headers["vary"] == "Origin"
    assert send(running, "OPTIONS", samples.ROUTE, Origin=ORIGIN)[0] == 401  # no preflight


def test_what_is_switched_off_is_not_there(running: Process) -> None:
    for path in ("/docs", "/openapi.json", "/metrics"):
        status, _, body = send(running, "GET", path, X_API_Key=KEY)
        assert (status, json.loads(body)["code"]) == (404, "not_found")
    assert send(running, "GET", "/")[0] == 200


def test_metrics_have_a_port_of_their_own_where_one_is_set(
    tmp_path: Path,
) -> None:
    inside = free_port()
    write_fake_version(tmp_path / "default")
    with starting(tmp_path / "default", tmp_path, FAKE_SERVICE) as start:
        running = start(
            METRICS_PORT=str(inside),
            API_KEYS=f"crm {sha256(KEY.encode()).hexdigest()} scopes=predict,metrics",
        )
        running.wait_until_ready()
        other = Process(inside, running.process)

        assert send(running, "GET", "/metrics", X_API_Key=KEY)[0] == 404
        assert send(running, "GET", "/readyz")[0] == 200
        assert send(running, "POST", samples.ROUTE, samples.RAW, X_API_Key=KEY)[0] == 200
        status, _, body = send(other, "GET", "/metrics")
        assert status == 200
        assert b'service_requests_total{method="POST"' in body
        assert {send(other, "GET", path)[0] for path in ("/livez", "/readyz")} == {200}
        for path in (samples.ROUTE, "/", "/docs", "/model", "//metrics", "/metrics/", "/v2"):
            for key in (KEY, "unknown"):
                assert send(other, "GET", path, X_API_Key=key)[0] == 404, path
        assert send(other, "POST", samples.ROUTE, samples.RAW, X_API_Key=KEY)[0] == 404

        said, _ = start(PORT=str(inside)).process.communicate(timeout=60)
        assert f"PORT is {inside}, where this process cannot listen" in said
        said, _ = start(METRICS_PORT=str(inside)).process.communicate(timeout=60)
        assert f"METRICS_PORT is {inside}, where this process cannot listen" in said


def test_the_log_says_who_called_and_what_came_of_it(running: Process, folder: Path) -> None:
    via = {"X_Forwarded_For": "203.0.113.9, 127.0.0.2", "X_Forwarded_Prefix": "/models/digits/"}
    _, _, body = send(
        running, "POST", samples.ROUTE, samples.RAW, X_API_Key=KEY, X_Request_Id="good", **via
    )
    send(running, "POST", samples.ROUTE, b"{", X_API_Key=KEY, X_Request_Id="bad")
    send(running, "POST", samples.ROUTE, samples.RAW, X_API_Key="secret", X_Request_Id="unknown")

    good, bad, unknown = (logged(folder, name) for name in ("good", "bad", "unknown"))
    assert good["client"] == "203.0.113.9"
    assert (good["route"], good["status"], good["key"]) == (samples.ROUTE, 200, "crm")
    assert (good["bytes"], good["version"]) == (len(body), 1)
    assert "reason" not in good
    times = {name: value for name, value in good.items() if name.endswith("_milliseconds")}
    assert times.keys() & {"model_milliseconds", "first_token_milliseconds"}
    assert all(0 <= value <= good["milliseconds"] + 1 for value in times.values())
    assert good.get("batch", 1) == 1
    assert not any("_milliseconds" in name or name == "batch" for name in [*bad, *unknown])
    assert (bad["client"], bad["key"]) == ("127.0.0.1", "crm")
    assert bad["reason"] in {"invalid_input", "malformed_body", "unsupported_media_type"}
    assert unknown["reason"] == "unauthorized"
    assert "key" not in unknown
    log = (folder / "log").read_text("utf-8")
    assert "secret" not in log
    assert KEY not in log


@pytest.mark.parametrize(
    "wrong",
    [
        {"cors_origins": "app.example"},
        {"cors_origins": f"{ORIGIN}/"},
        {"trusted_proxies": "proxy"},
        {"trusted_proxies": "10.0.0.0/8, 10.0.0.1/8"},
    ],
)
def test_what_would_be_ignored_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings(**wrong)
