"""Requests that share the model of this process, from outside."""

import httpx
import samples
from asking import ask, assert_problem, in_background, sample, wait_for
from conftest import MakeService, Service
from streams import events_of, open_stream


def test_a_full_queue_is_refused_before_a_stream_begins(make_service: MakeService) -> None:
    service = make_service(max_running_sequences=1, max_queued_inputs=1)
    service.wait_until_ready()
    service.model.gate.clear()
    streams = [open_stream(service, samples.ROUTE, samples.BODY)]
    assert service.model.entered.wait(5)
    streams.append(open_stream(service, samples.ROUTE, samples.BODY))

    assert_problem(ask(service, {**samples.BODY, "stream": True}), 503, "queue_full")
    service.model.gate.set()
    for stream in streams:
        assert events_of(stream.chunks)[-1][1]["finish_reason"] == "stop"


def test_a_poisoned_text_fails_alone(service: Service) -> None:
    service.model.gate.clear()
    answers: dict[str, httpx.Response] = {}
    first = in_background(service)  # occupies the model while the others wait
    assert service.model.entered.wait(5)
    others = [
        in_background(service, {"text": text}, answers, text)
        for text in (samples.VALUE, samples.POISON, samples.NOT_A_NUMBER)
    ]
    wait_for(lambda: sample(service, "service_queued_inputs") == 3)
    service.model.gate.set()
    for thread in (first, *others):
        thread.join(5)

    assert answers[samples.VALUE].json()["generated_text"] == samples.ANSWER
    for text in (samples.POISON, samples.NOT_A_NUMBER):
        assert_problem(answers[text], 500, "model_failed")
        assert "poisoned" not in answers[text].text
