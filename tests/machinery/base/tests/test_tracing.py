"""Traces: what a collector gets of a request, what it never gets, and nothing where it is off."""

import http.client
import json
import re
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import samples
from asking import ask
from collector import CALLER, NOT_SAMPLED, SAMPLED, Collector, collecting, facts
from conftest import MakeService, Service
from fake_version import write_fake_version
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from processes import FAKE_SERVICE, HEADERS, Process, starting

from service import tracing
from service.errors import OwnerError

pytest_plugins = ["traced"]

NAME = f"POST {samples.ROUTE}"
JSON = {"Content-Type": "application/json"}
OPEN_METRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


def request_span(collector: Collector, name: str = NAME) -> Span:
    """The one span of a request that has come."""
    collector.flush()
    (span,) = collector.named(name)
    assert span.kind == Span.SPAN_KIND_SERVER
    return span


def test_the_span_of_a_request_is_below_its_callers(collector: Collector, service: Service) -> None:
    answer = ask(service, headers={**SAMPLED, "X-Request-Id": "order-7"})
    span = request_span(collector)

    assert answer.status_code == httpx.codes.OK
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == CALLER
    found = facts(span)
    assert {
        "http.request.method": "POST",
        "http.route": samples.ROUTE,
        "http.response.status_code": 200,
        "http.response.body.size": len(answer.content),
        "url.path": samples.ROUTE,
        "url.scheme": "http",
        "service.request_id": "order-7",
        "service.model_version": 1,
    }.items() <= found.items()
    assert "error.type" not in found
    assert span.status.code == Status.STATUS_CODE_UNSET
    assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 10e9


def test_a_request_without_a_trace_begins_one(collector: Collector, service: Service) -> None:
    ask(service)
    ask(service, headers={"traceparent": "00-0-0-01"})
    collector.flush()
    one, other = collector.named(NAME)

    assert one.parent_span_id == other.parent_span_id == b""
    assert one.trace_id != other.trace_id


def test_what_the_caller_does_not_sample_is_not_sent(
    collector: Collector, service: Service
) -> None:
    ask(service, headers=NOT_SAMPLED)
    collector.flush()

    assert collector.spans == []


def test_the_span_of_a_refused_request_has_the_reason(
    collector: Collector, service: Service
) -> None:
    answer = service.client.post(samples.ROUTE, content=b"{", headers=JSON)
    span = request_span(collector)

    assert facts(span)["error.type"] == answer.json()["code"]
    assert facts(span)["http.response.status_code"] == answer.status_code
    assert span.status.code == Status.STATUS_CODE_UNSET  # the caller's error, not the service's


def test_the_span_of_a_request_that_fails_here_is_an_error(
    collector: Collector, make_service: MakeService
) -> None:
    service = make_service(request_timeout_seconds=0.1)
    service.wait_until_ready()
    service.model.gate.clear()
    answer = ask(service)
    service.model.gate.set()
    span = request_span(collector)

    assert answer.status_code == httpx.codes.GATEWAY_TIMEOUT
    assert facts(span)["error.type"] == "deadline_exceeded"
    assert span.status.code == Status.STATUS_CODE_ERROR


def test_a_route_that_is_not_there_names_no_route(collector: Collector, service: Service) -> None:
    service.client.request("BREW", "/nowhere")
    span = request_span(collector, "_OTHER")

    assert "http.route" not in facts(span)
    assert facts(span)["error.type"] == "not_found"


def test_probes_are_no_spans(collector: Collector, service: Service) -> None:
    for path in ("/livez", "/readyz", "/metrics"):
        service.client.get(path)
    collector.flush()

    assert collector.spans == []


def test_a_scrape_that_takes_exemplars_is_led_to_a_trace(
    collector: Collector, service: Service
) -> None:
    ask(service, headers=SAMPLED)
    plain = service.client.get("/metrics", headers={"Accept": "text/plain"})
    found = service.client.get("/metrics", headers=OPEN_METRICS)
    collector.flush()
    off = service.client.get("/metrics", headers=OPEN_METRICS)

    assert found.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    (line,) = re.findall(r"^service_request_seconds_bucket.* # .*$", found.text, re.MULTILINE)
    assert f'trace_id="{CALLER[0]}"' in line
    assert f'route="{samples.ROUTE}"' in line
    for other in (plain, off):
        assert other.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert " # {" not in other.text


@pytest.mark.parametrize(
    ("name", "value"), [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")]
)
def test_it_is_switched_off_by_the_sdks_variables(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    assert collector.settings
    tracing.end()
    monkeypatch.setenv(name, value)

    tracing.begin()

    assert not tracing.is_on()


def test_variables_may_stand_in_the_file_of_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "")  # to be taken back
    monkeypatch.delenv("OTEL_TRACES_EXPORTER")
    (tmp_path / ".env").write_text("OTEL_TRACES_EXPORTER=nobody\n")

    with pytest.raises(OwnerError, match='OTEL_TRACES_EXPORTER is "nobody"'):
        tracing.begin()


def test_an_exporter_that_is_not_installed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")

    with pytest.raises(OwnerError, match=r'traces \(otlp_proto_grpc\) is not installed. Run "make'):
        tracing.begin()


# As it is run: a process.


def stopped(process: Process) -> float:
    """The seconds that SIGTERM took."""
    process.process.send_signal(signal.SIGTERM)
    started = time.monotonic()
    assert process.process.wait(30) == 0
    return time.monotonic() - started


def run(folder: Path, **settings: str) -> tuple[float, str]:
    """Ask a service once; gives how long it took to stop, and what it has imported and logged."""
    write_fake_version(folder / "default")
    service = ("-X", "importtime", *FAKE_SERVICE)
    with starting(folder / "default", folder, service) as start, (folder / "log").open("w") as log:
        process = start(log.fileno(), LOG_LEVEL="info", DRAIN_SECONDS="0", **settings)
        process.wait_until_ready()
        connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=10)
        headers = {**HEADERS, **SAMPLED, "X-Api-Key": "a-secret"}
        connection.request("POST", f"{samples.ROUTE}?token=b-secret", samples.RAW, headers)
        assert connection.getresponse().status == http.client.OK
        connection.close()
        seconds = stopped(process)
    return seconds, (folder / "log").read_text()


def line_of(log: str) -> dict[str, Any]:
    """The line of the log that tells of the request."""
    (line,) = [each for each in log.splitlines() if '"event": "request"' in each]
    found: dict[str, Any] = json.loads(line)
    return found


def test_nothing_of_it_is_imported_where_it_is_off(tmp_path: Path) -> None:
    _, log = run(tmp_path)

    assert "structlog" in log
    assert "opentelemetry" not in log
    assert line_of(log)["trace_id"] == CALLER[0]  # which the caller has told
    assert "span_id" not in line_of(log)


def test_a_process_sends_all_it_has_before_it_ends(tmp_path: Path) -> None:
    with collecting() as collector:
        settings = {**collector.settings, "OTEL_BSP_SCHEDULE_DELAY": "60000"}
        _, log = run(tmp_path, **settings)
        (span,) = collector.named(NAME)

        assert (span.trace_id.hex(), span.parent_span_id.hex()) == CALLER
        line = line_of(log)
        assert (line["trace_id"], line["span_id"]) == (CALLER[0], span.span_id.hex())
        assert collector.resource["service.version"]
        assert facts(span)["client.address"] == "127.0.0.1"


def test_neither_inputs_nor_keys_are_sent(tmp_path: Path) -> None:
    with collecting() as collector:
        run(tmp_path, **collector.settings, OTEL_SERVICE_NAME="reader")

        assert collector.resource["service.name"] == "reader"
        assert b"secret" not in collector.text
        assert samples.RAW[:16] not in collector.text


def test_a_collector_that_is_not_there_holds_nobody_up(tmp_path: Path) -> None:
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}

    seconds, _ = run(tmp_path, **endpoint, OTEL_BSP_SCHEDULE_DELAY="100")

    assert seconds < 6
