"""Texts and a model server: places, faults before and within a text."""

import time

import httpx
import pytest
import samples
from asking import ask, assert_problem, in_background, sample, wait_for
from conftest import MakeService, Service
from fakes import slow_model
from streams import ask_for_stream, events_of, open_stream

from service import errors


def test_a_full_service_refuses_before_a_stream_begins(make_service: MakeService) -> None:
    service = make_service(max_running_sequences=2)
    service.wait_until_ready()
    service.model.gate.clear()
    streams = [open_stream(service, samples.ROUTE, samples.BODY) for _ in range(2)]
    assert service.model.entered.wait(5)

    refused = ask(service, {**samples.BODY, "stream": True})

    assert_problem(refused, 503, "queue_full")
    assert int(refused.headers["retry-after"]) >= 1
    service.model.gate.set()
    for stream in streams:
        assert events_of(stream.chunks)[-1][1]["finish_reason"] == "stop"
    wait_for(lambda: sample(service, "service_running_sequences") == 0)
    assert ask(service).status_code == httpx.codes.OK


def test_a_full_service_says_when_a_place_may_be_free(make_service: MakeService) -> None:
    service = make_service(max_running_sequences=1)
    service.wait_until_ready()
    for refused_after in (1.5, 0):
        service.model.gate.clear()
        service.model.entered.clear()
        stream = open_stream(service, samples.ROUTE, samples.BODY)
        assert service.model.entered.wait(5)
        time.sleep(refused_after)
        refused = ask(service)
        service.model.gate.set()
        assert events_of(stream.chunks)[-1][1]["finish_reason"] == "stop"
        wait_for(lambda: sample(service, "service_running_sequences") == 0)

    assert_problem(refused, 503, "queue_full")
    assert 2 <= int(refused.headers["retry-after"]) <= 5


def test_a_reader_that_leaves_before_the_first_token_frees_its_place(service: Service) -> None:
    service.model.gate.clear()
    stream = open_stream(service, samples.ROUTE, samples.BODY)
    assert service.model.entered.wait(5)
    stream.close()

    wait_for(lambda: sample(service, "service_running_sequences") == 0)
    assert sample(service, "service_sequences_total", ending="cancelled") == 1
    service.model.gate.set()


def test_a_poisoned_text_fails_alone(service: Service) -> None:
    answers: dict[str, httpx.Response] = {}
    threads = [
        in_background(service, {"text": text}, answers, text)
        for text in (samples.VALUE, samples.POISON, samples.NOT_A_NUMBER)
    ]
    for thread in threads:
        thread.join(5)

    assert answers[samples.VALUE].json()["generated_text"] == samples.ANSWER
    for text in (samples.POISON, samples.NOT_A_NUMBER):
        assert_problem(answers[text], 500, "model_failed")
        assert "poisoned" not in answers[text].text


def test_a_server_that_breaks_off_ends_a_stream_with_an_event(make_service: MakeService) -> None:
    model = slow_model()
    service = make_service(load=model)
    service.wait_until_ready()
    warm = len(model.step_sizes)
    stream = open_stream(service, samples.ROUTE, samples.BODY)
    wait_for(lambda: len(model.step_sizes) > warm)
    model.fault.append(errors.Unreachable("gone"))

    kind, problem = events_of(stream.chunks)[-1]

    assert (kind, problem["code"]) == ("error", "model_server_unavailable")
    wait_for(lambda: sample(service, "service_running_sequences") == 0)


@pytest.mark.parametrize("stream", [True, False])
def test_a_server_that_is_known_to_be_ill_is_refused_at_once(
    service: Service, *, stream: bool
) -> None:
    service.model.fault.append(errors.Unreachable("gone"))
    wait_for(lambda: service.client.get("/readyz").status_code != httpx.codes.OK)

    response = ask(service, {**samples.BODY, "stream": stream})

    assert_problem(response, 503, "model_server_unavailable")
    service.model.fault.clear()
    service.wait_until_ready()


def test_a_server_with_another_model_is_never_ready(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = make_service()
    service.wait_until_ready()
    with monkeypatch.context() as patch:
        patch.setattr(samples, "ANSWER_TOKENS", samples.ANSWER_TOKENS[1:])
        other = make_service(load=service.model)
        time.sleep(0.5)
        assert_problem(other.client.get("/readyz"), 503, "not_ready")
    other.wait_until_ready()
    assert ask_for_stream(other, samples.ROUTE, samples.BODY)
