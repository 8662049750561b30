"""A model in the service's own process: loading, stuck, with a full queue; from outside."""

import threading
from typing import Any

import fakes
import httpx
from asking import ask, assert_problem, in_background, sample, wait_for
from conftest import MakeService


def test_it_is_live_before_it_is_ready(make_service: MakeService) -> None:
    may_load = threading.Event()
    service = make_service()
    service.pipeline.close()

    def load(*args: Any, **options: Any) -> object:
        may_load.wait(10)
        return service.model(*args, **options)

    loading = make_service(load=load)
    assert loading.client.get("/livez").json() == {"status": "live"}
    not_ready = loading.client.get("/readyz")
    assert_problem(not_ready, 503, "not_ready")
    assert int(not_ready.headers["retry-after"]) >= 1
    assert_problem(ask(loading), 503, "not_ready")
    may_load.set()
    loading.wait_until_ready()
    assert ask(loading).status_code == httpx.codes.OK


def test_a_model_that_does_not_come_back_makes_it_not_live(make_service: MakeService) -> None:
    service = make_service(stuck_seconds=0.05, request_timeout_seconds=0.1)
    service.wait_until_ready()
    service.model.gate.clear()

    assert_problem(ask(service), 504, "deadline_exceeded")
    wait_for(lambda: service.client.get("/livez").status_code != httpx.codes.OK)
    assert_problem(service.client.get("/livez"), 503, "stuck")
    service.model.gate.set()


def test_a_model_that_does_not_come_back_in_time_makes_it_not_ready(
    make_service: MakeService,
) -> None:
    service = make_service(request_timeout_seconds=0.1)
    service.wait_until_ready()
    service.model.gate.clear()

    assert_problem(ask(service), 504, "deadline_exceeded")
    wait_for(lambda: service.client.get("/readyz").status_code != httpx.codes.OK)
    assert_problem(service.client.get("/readyz"), 503, "not_ready")
    assert service.client.get("/livez").status_code == httpx.codes.OK
    service.model.gate.set()
    service.wait_until_ready()


def test_a_full_queue_is_refused_with_a_time_to_come_back(make_service: MakeService) -> None:
    service = make_service(**fakes.ONE_AT_A_TIME)
    service.wait_until_ready()
    service.model.gate.clear()
    running = in_background(service)
    assert service.model.entered.wait(5)
    queued = in_background(service)
    wait_for(lambda: sample(service, "service_queued_inputs") == 1)

    refused = ask(service)

    assert_problem(refused, 503, "queue_full")
    assert int(refused.headers["retry-after"]) >= 1
    service.model.gate.set()
    for thread in (running, queued):
        thread.join(5)
    assert sample(service, "service_shed_inputs_total", reason="queue_full") == 1


def test_a_model_that_cannot_be_loaded_is_told_to_whoever_runs_the_service(
    make_service: MakeService,
) -> None:
    def load(*_args: Any, **_options: Any) -> object:
        raise RuntimeError("no such network")

    service = make_service(load=load)
    wait_for(lambda: bool(service.failures))

    assert str(service.failures[0]) == "no such network"
    assert_problem(service.client.get("/livez"), 503, "stuck")
