"""Traces of requests behind a model server: the inputs that go together, and the call of it."""

import contextlib
from collections.abc import Iterator

import httpx
import pytest
import samples
from asking import ask, wait_for
from collector import CALLER, NOT_SAMPLED, SAMPLED, Collector, facts
from conftest import Service
from model_servers import RunningServer
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from service.metrics import Metrics
from service.pipeline import Pipeline
from service.web.app import create_app

pytest_plugins = ["asked_server", "traced"]

NAME = f"POST {samples.ROUTE}"


@pytest.fixture
def client(server: RunningServer, url: str) -> Iterator[httpx.Client]:
    """Of a service that asks a true model server."""
    settings, metrics = server.as_settings(url), Metrics()
    pipeline = Pipeline(settings, metrics, lambda _: None)
    transport = httpx.WSGITransport(app=create_app(pipeline, settings, metrics))
    pipeline.start()
    with contextlib.closing(pipeline):
        wait_for(lambda: pipeline.is_ready, 20)
        yield httpx.Client(transport=transport, base_url="http://service.test")


def tree(collector: Collector) -> tuple[Span, Span, Span]:
    """The request, the batch and the call, each below the one before."""
    collector.flush()
    (request,), (batch,), (call,) = map(collector.named, (NAME, "batch", "model server"))
    assert {span.trace_id for span in (request, batch, call)} == {request.trace_id}
    assert (batch.parent_span_id, call.parent_span_id) == (request.span_id, batch.span_id)
    assert call.kind == Span.SPAN_KIND_CLIENT
    return request, batch, call


def test_a_request_its_batch_and_the_call_are_one_tree(
    collector: Collector, client: httpx.Client, url: str
) -> None:
    answer = client.post(samples.ROUTE, json=samples.BODY, headers=SAMPLED)
    assert answer.status_code == httpx.codes.OK
    request, batch, call = tree(collector)

    assert (request.trace_id.hex(), request.parent_span_id.hex()) == CALLER
    assert [link.span_id for link in request.links] == [batch.span_id]
    assert facts(batch)["service.batch_size"] == facts(request)["service.batch_size"] == 1
    address = httpx.URL(url)
    assert facts(call) == {"server.address": address.host, "server.port": address.port}
    assert request.start_time_unix_nano <= call.start_time_unix_nano
    assert call.end_time_unix_nano <= request.end_time_unix_nano


def test_a_call_that_fails_tells_how(collector: Collector, service: Service) -> None:
    (field,) = samples.BODY
    answer = ask(service, {field: samples.POISON_VALUE}, headers=SAMPLED)
    request, batch, call = tree(collector)

    assert facts(call)["error.type"] == "InputFailed"
    assert facts(request)["error.type"] == answer.json()["code"] == "model_failed"
    assert {span.status.code for span in (request, batch, call)} == {Status.STATUS_CODE_ERROR}
    assert b"poisoned" not in collector.text  # the server's own words


def test_a_call_for_a_request_that_is_not_sampled_is_no_span(
    collector: Collector, service: Service
) -> None:
    ask(service, headers=NOT_SAMPLED)
    collector.flush()

    assert collector.spans == []
