"""Traces of texts: what they say of tokens, by the conventions for generative AI, and what not."""

from typing import Any

import httpx
import pytest
import samples
from collector import CALLER, SAMPLED, Collector, facts
from conftest import Service
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from streams import ask_for_stream

from service import tracing
from service.settings import PROJECT

pytest_plugins = ["traced"]

CHAT = "/v1/chat/completions"


def request_span(collector: Collector, route: str) -> Span:
    collector.flush()
    (span,) = collector.named(f"POST {route}")
    return span


def used(body: Any) -> dict[str, Any]:
    return {
        "gen_ai.usage.input_tokens": body["usage"]["prompt_tokens"],
        "gen_ai.usage.output_tokens": body["usage"]["completion_tokens"],
    }


@pytest.mark.parametrize(
    ("route", "body", "operation"),
    [
        (samples.ROUTE, samples.BODY, "text_completion"),
        ("/v1/completions", {"model": "default", "prompt": samples.VALUE}, "text_completion"),
        (
            CHAT,
            {"model": "default", "messages": [{"role": "user", "content": samples.VALUE}]},
            "chat",
        ),
    ],
)
def test_a_request_says_how_many_tokens(
    collector: Collector, service: Service, route: str, body: dict[str, Any], operation: str
) -> None:
    answer = service.client.post(route, json=body, headers=SAMPLED)
    assert answer.status_code == httpx.codes.OK, answer.text
    span = request_span(collector, route)

    assert span.trace_id.hex() == CALLER[0]
    assert {
        "gen_ai.operation.name": operation,
        "gen_ai.request.model": "default",
        "gen_ai.provider.name": PROJECT["name"],
        **used(answer.json()),
    }.items() <= facts(span).items()
    assert 0 < facts(span)["gen_ai.response.time_to_first_chunk"] < 10
    for text in (samples.VALUE, samples.ANSWER.strip()):
        assert text.encode() not in collector.text


def test_a_stream_is_one_span_to_its_end(collector: Collector, service: Service) -> None:
    events = ask_for_stream(service, samples.ROUTE, samples.BODY)
    span = request_span(collector, samples.ROUTE)

    assert used(events[-1][1]).items() <= facts(span).items()
    assert facts(span)["gen_ai.usage.output_tokens"] > 1


def test_a_stream_that_ends_with_an_error_has_its_reason(
    collector: Collector, service: Service
) -> None:
    events = ask_for_stream(service, samples.ROUTE, {"text": samples.POISON})
    span = request_span(collector, samples.ROUTE)

    assert events[-1][0] == "error"
    assert facts(span)["error.type"] == events[-1][1]["code"] == "model_failed"
    assert facts(span)["http.response.status_code"] == httpx.codes.OK


def test_each_text_has_a_span_below_its_request(collector: Collector, service: Service) -> None:
    body = {"model": "default", "prompt": [samples.VALUE, samples.VALUE]}
    assert service.client.post("/v1/completions", json=body).status_code == httpx.codes.OK
    request = request_span(collector, "/v1/completions")
    texts = collector.named("text") or collector.named("model server")

    assert len(texts) == 2
    for text in texts:
        assert (text.trace_id, text.parent_span_id) == (request.trace_id, request.span_id)
        assert request.start_time_unix_nano <= text.start_time_unix_nano + 2_000_000
        assert text.end_time_unix_nano <= request.end_time_unix_nano + 100_000_000
    assert not tracing.is_on()
