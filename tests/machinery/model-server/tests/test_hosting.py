"""A model behind a model server that is not there, ill, wrong, and well again; from outside."""

import time
from typing import Any

import httpx
import pytest
from asking import ask, assert_problem, sample, wait_for
from conftest import MakeService, Service

from service import errors
from service.errors import ServerError

FAULTS = [
    (errors.Unreachable("10.0.0.1 is gone"), 503, "model_server_unavailable"),
    (errors.Failed("10.0.0.1 raised"), 502, "model_server_failed"),
    (errors.Garbage("10.0.0.1 says ?"), 502, "model_server_failed"),
    (errors.Refused("10.0.0.1 has no such version"), 502, "model_server_failed"),
    (errors.TimedOut("10.0.0.1 is late"), 504, "deadline_exceeded"),
    (errors.Busy("10.0.0.1 is full"), 503, "queue_full"),
]


def is_ready(service: Service) -> bool:
    return service.client.get("/readyz").status_code == httpx.codes.OK


@pytest.mark.parametrize("fault", [errors.Unreachable("10.0.0.1 is gone"), False], ids=repr)
def test_a_server_that_is_not_there_at_the_start_is_waited_for(
    make_service: MakeService, fault: Any
) -> None:
    service = make_service()
    service.wait_until_ready()
    service.model.fault.append(fault)
    waiting = make_service(load=service.model)

    assert waiting.client.get("/livez").json() == {"status": "live"}
    assert_problem(waiting.client.get("/readyz"), 503, "not_ready")
    refused = ask(waiting)
    assert_problem(refused, 503, "not_ready")
    assert int(refused.headers["retry-after"]) >= 1
    service.model.fault.clear()
    waiting.wait_until_ready()
    assert ask(waiting).status_code == httpx.codes.OK
    assert waiting.failures == []


@pytest.mark.parametrize(("fault", "status", "code"), FAULTS, ids=repr)
def test_each_fault_has_its_status_and_code_and_passes(
    service: Service, fault: ServerError, status: int, code: str
) -> None:
    assert ask(service).status_code == httpx.codes.OK
    service.model.fault.append(fault)

    response = ask(service)

    assert_problem(response, status, code)
    assert "10.0.0.1" not in response.text
    assert (status == httpx.codes.SERVICE_UNAVAILABLE) == ("retry-after" in response.headers)
    service.model.fault.clear()
    wait_for(lambda: is_ready(service))
    assert ask(service).status_code == httpx.codes.OK


def test_a_server_that_is_lost_makes_the_service_not_ready_and_is_found_again(
    service: Service,
) -> None:
    service.model.fault.append(errors.Unreachable("10.0.0.1 is gone"))
    wait_for(lambda: not is_ready(service))
    started = time.monotonic()

    assert_problem(ask(service), 503, "model_server_unavailable")
    assert time.monotonic() - started < 1  # nobody waits for a server that is known to be ill
    assert service.client.get("/livez").status_code == httpx.codes.OK
    assert "service_circuit_open 1.0" in service.client.get("/metrics").text
    service.model.fault.clear()
    wait_for(lambda: is_ready(service), seconds=3)
    assert ask(service).status_code == httpx.codes.OK
    assert "service_circuit_open 0.0" in service.client.get("/metrics").text


def test_one_probe_that_fails_changes_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    probes = []

    def hitch(*_args: Any, timeout_seconds: float) -> bool:
        probes.append(timeout_seconds)
        if len(probes) == 1:
            raise errors.TimedOut("10.0.0.1 hitched")
        return True

    monkeypatch.setattr(type(service.pipeline.server), "is_ready", hitch)
    answers = []
    end = time.monotonic() + 5
    while len(probes) < 3 and time.monotonic() < end:
        answers.append(ask(service).status_code)
        assert is_ready(service)

    assert len(probes) >= 3
    assert set(answers) == {httpx.codes.OK}


def test_a_server_that_answers_is_well_whatever_its_probes_say(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    probes = []

    def late(*_args: Any, timeout_seconds: float) -> bool:
        time.sleep(0.2)
        probes.append(timeout_seconds)
        raise errors.TimedOut("10.0.0.1 is busy")

    monkeypatch.setattr(type(service.pipeline.server), "is_ready", late)
    end = time.monotonic() + 10
    while len(probes) < 3 and time.monotonic() < end:
        assert ask(service).status_code == httpx.codes.OK
        assert is_ready(service)

    assert len(probes) >= 3


def test_failures_open_the_circuit_before_the_next_probe(make_service: MakeService) -> None:
    service = make_service(circuit_failures=2)
    service.wait_until_ready()
    asked = sample(service, "service_model_server_calls_total", outcome="Garbage")
    service.model.fault.append(errors.Garbage("10.0.0.1 says ?"))

    answers = [ask(service) for _ in range(10)]

    assert {answer.status_code for answer in answers[:2]} == {httpx.codes.BAD_GATEWAY}
    assert_problem(answers[2], 503, "model_server_unavailable")
    asked = sample(service, "service_model_server_calls_total", outcome="Garbage") - asked
    assert asked < 10
    service.model.fault.clear()
    wait_for(lambda: is_ready(service))


def test_metrics_tell_of_calls_and_readiness(service: Service) -> None:
    before = sample(service, "service_model_server_calls_total", outcome="ok")
    ask(service)

    assert sample(service, "service_model_server_calls_total", outcome="ok") == before + 1
    assert "service_ready 1.0" in service.client.get("/metrics").text
    service.pipeline.drain()
    assert "service_ready 0.0" in service.client.get("/metrics").text


def test_the_client_is_closed_with_the_service(make_service: MakeService) -> None:
    service = make_service()
    service.wait_until_ready()
    service.pipeline.close()

    assert service.pipeline.server.is_closed  # type: ignore[attr-defined]  # the stand-in's
