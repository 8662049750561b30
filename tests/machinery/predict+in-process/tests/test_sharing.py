"""Requests that share the model of this process, from outside."""

import httpx
import samples
from asking import ask, assert_problem, in_background, sample, wait_for
from conftest import MakeService, Service
from inferring import INFER, assert_refused, prepared
from tensors import in_json

from model.schemas import INPUT_FIELD

ONE = {INPUT_FIELD: samples.VALUE}
MANY = {"inputs": [samples.VALUE, samples.OTHER_VALUE]}


def test_a_poisoned_input_fails_alone(service: Service) -> None:
    service.model.gate.clear()
    answers: dict[str, httpx.Response] = {}
    first = in_background(service, ONE)  # occupies the model while the others wait
    assert service.model.entered.wait(5)
    others = [
        in_background(service, {INPUT_FIELD: value}, answers, name)
        for name, value in [("good", samples.VALUE), ("poison", samples.POISON_VALUE)]
    ]
    wait_for(lambda: sample(service, "service_queued_inputs") == 2)
    service.model.gate.set()
    for thread in (first, *others):
        thread.join(5)

    assert answers["good"].json()["prediction"] == samples.ANSWER
    assert_problem(answers["poison"], 500, "model_failed")
    assert "poisoned" not in answers["poison"].text


def test_the_inputs_of_a_request_share_a_batch(service: Service) -> None:
    ask(service, MANY)

    assert sample(service, "service_batch_size_sum") == 2
    assert sample(service, "service_batch_size_count") == 1


def test_tensors_do_not_wait_for_a_model_that_does_not_come_back(make_service: MakeService) -> None:
    service = make_service(stuck_seconds=0.05)
    service.wait_until_ready()
    service.model.gate.clear()

    refused = ask(service, in_json(prepared(service)), INFER, headers={"X-Request-Timeout": "0.1"})

    assert_refused(refused, 504, "deadline_exceeded")
    wait_for(lambda: service.client.get("/v2/health/live").status_code != httpx.codes.OK)
    assert_refused(service.client.get("/v2/health/live"), 503, "stuck")
    service.model.gate.set()


def test_a_batch_shares_a_run_of_the_model(service: Service) -> None:
    ask(service, in_json(*[prepared(service)] * 3), INFER)

    assert sample(service, "service_batch_size_sum") == 3
    assert sample(service, "service_batch_size_count") == 1


def test_a_poisoned_input_fails_its_own_request_alone(service: Service) -> None:
    good, poison = prepared(service), prepared(service, samples.POISON_VALUE)
    service.model.gate.clear()
    first = in_background(service)  # occupies the model while the others wait
    assert service.model.entered.wait(5)
    answers: dict[str, httpx.Response] = {}
    others = [
        in_background(service, in_json(arrays), answers, name, INFER)
        for name, arrays in [("good", good), ("poison", poison)]
    ]
    wait_for(lambda: sample(service, "service_queued_inputs") == 2)
    service.model.gate.set()
    for thread in (first, *others):
        thread.join(5)

    assert answers["good"].status_code == httpx.codes.OK
    assert_refused(answers["poison"], 500, "model_failed")


def test_tensors_that_find_no_place_are_refused_with_a_time_to_come_back(
    make_service: MakeService,
) -> None:
    service = make_service(max_queued_inputs=2)
    service.wait_until_ready()

    refused = ask(service, in_json(*[prepared(service)] * 3), INFER)

    assert_refused(refused, 503, "queue_full")
    assert int(refused.headers["retry-after"]) >= 1
