"""Arrays and a model server: what goes there together, and which answers are none."""

import time

import httpx
import numpy as np
import pytest
import samples
from asking import ask, assert_problem, in_background, wait_for
from conftest import MakeService, Service

from model.schemas import INPUT_FIELD
from service import manifest as manifests
from service.manifest import Arrays

MANY = {"inputs": [samples.VALUE, samples.OTHER_VALUE, samples.VALUE]}
OUTPUT = samples.SIGNATURE.outputs[0].name


def right_answer(service: Service) -> Arrays:
    arrays = service.pipeline.task.preprocess(samples.VALUE).arrays
    return {name: array[None] for name, array in samples.outputs(arrays).items()}


def test_inputs_go_together_and_no_more_than_the_server_takes(make_service: MakeService) -> None:
    service = make_service(max_batch_size=2)
    service.wait_until_ready()
    service.model.batch_sizes.clear()

    response = ask(service, {"inputs": [samples.VALUE] * 5})

    assert [each["prediction"] for each in response.json()["predictions"]] == [samples.ANSWER] * 5
    assert service.model.batch_sizes == [2, 2, 1]


def test_answers_come_in_the_order_of_the_inputs(service: Service) -> None:
    answers = [each["prediction"] for each in ask(service, MANY).json()["predictions"]]

    assert answers == [samples.ANSWER, samples.OTHER_ANSWER, samples.ANSWER]


def test_a_poisoned_request_fails_alone(service: Service) -> None:
    answers: dict[str, httpx.Response] = {}
    threads = [
        in_background(service, {INPUT_FIELD: value}, answers, name)
        for name, value in [("good", samples.VALUE), ("poison", samples.POISON_VALUE)]
    ]
    for thread in threads:
        thread.join(5)

    assert answers["good"].json()["prediction"] == samples.ANSWER
    assert_problem(answers["poison"], 500, "model_failed")


@pytest.mark.parametrize("fault", ["empty", "rows", "axes", "name", "dtype"])
def test_an_answer_that_does_not_fit_the_signature_is_a_502(service: Service, fault: str) -> None:
    right = right_answer(service)
    array = right[OUTPUT]
    service.model.fault.append(
        {
            "empty": {},
            "rows": {OUTPUT: np.concatenate([array, array])},
            "axes": {OUTPUT: array[..., None]},
            "name": {"other": array},
            "dtype": {OUTPUT: array.astype(np.float64)},
        }[fault]
    )

    assert_problem(ask(service), 502, "model_server_failed")
    service.model.fault.clear()
    wait_for(lambda: ask(service).status_code == httpx.codes.OK)


def test_a_server_with_another_model_is_never_ready(make_service: MakeService) -> None:
    service = make_service()
    service.wait_until_ready()
    _, expected = manifests.read_golden(service.pipeline.folder)
    service.model.fault.append({name: array + 1 for name, array in expected.items()})
    other = make_service(load=service.model)
    time.sleep(0.5)

    assert_problem(other.client.get("/readyz"), 503, "not_ready")
    assert_problem(ask(other), 503, "not_ready")
    service.model.fault.clear()
    other.wait_until_ready()


def test_a_server_that_hangs_is_waited_for_until_the_deadline(service: Service) -> None:
    service.model.gate.clear()
    started = time.monotonic()

    response = ask(service, headers={"X-Request-Timeout": "0.2"})

    assert_problem(response, 504, "deadline_exceeded")
    assert 0.2 <= time.monotonic() - started < 2
    service.model.gate.set()


def test_many_requests_are_with_the_server_at_a_time(service: Service) -> None:
    service.model.gate.clear()
    threads = [in_background(service) for _ in range(8)]
    wait_for(lambda: len(service.model.under_way) == 8)
    service.model.gate.set()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
