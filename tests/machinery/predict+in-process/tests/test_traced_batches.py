"""Traces across the executor's thread: a run of the model, and the requests that share it."""

import re
import threading
from collections.abc import Callable

import pytest
import samples
from asking import ask, sample, wait_for
from collector import CALLER, NOT_SAMPLED, SAMPLED, Collector, facts
from conftest import Service
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

pytest_plugins = ["traced"]

NAME = f"POST {samples.ROUTE}"


def ids(span: Span) -> tuple[bytes, bytes]:
    return span.trace_id, span.span_id


def linked(span: Span) -> set[tuple[bytes, bytes]]:
    return {(link.trace_id, link.span_id) for link in span.links}


def together(service: Service, *headers: dict[str, str]) -> None:
    """Let requests with *headers* share a run, behind one that occupies the model."""
    service.model.gate.clear()
    service.model.entered.clear()
    first = in_background(lambda: ask(service, headers=NOT_SAMPLED))
    assert service.model.entered.wait(5)
    others = []
    for number, each in enumerate(headers, 1):
        others.append(in_background(lambda told=each: ask(service, headers=told)))  # type: ignore[misc]  # mypy knows no default
        wait_for(lambda count=number: sample(service, "service_queued_inputs") == count)
    service.model.gate.set()
    for thread in (first, *others):
        thread.join(10)
    assert service.model.batch_sizes == [1, len(headers)]


def in_background(call: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=call)
    thread.start()
    return thread


def test_a_request_and_the_run_that_it_was_alone_in_are_one_tree(
    collector: Collector, service: Service
) -> None:
    ask(service, headers=SAMPLED)
    collector.flush()
    (request,), (batch,) = collector.named(NAME), collector.named("batch")

    assert request.trace_id.hex() == CALLER[0]
    assert ids(batch)[0] == request.trace_id
    assert batch.parent_span_id == request.span_id
    assert linked(batch) == {ids(request)}
    assert linked(request) == {ids(batch)}
    assert facts(batch) == {"service.batch_size": 1}
    assert request.start_time_unix_nano <= batch.start_time_unix_nano
    assert batch.end_time_unix_nano <= request.end_time_unix_nano
    assert facts(request)["service.batch_size"] == 1
    assert facts(request)["service.queue_milliseconds"] >= 0
    assert facts(request)["service.model_milliseconds"] >= 0


def test_a_run_is_linked_to_all_that_share_it_and_they_to_it(
    collector: Collector, service: Service
) -> None:
    together(service, SAMPLED, {}, NOT_SAMPLED, {})
    collector.flush()
    requests, (batch,) = collector.named(NAME), collector.named("batch")

    assert len(requests) == 3  # of the four, one is not sampled
    assert len({request.trace_id for request in requests}) == 3
    assert linked(batch) == {ids(request) for request in requests}
    assert all(linked(request) == {ids(batch)} for request in requests)
    assert batch.parent_span_id in {request.span_id for request in requests}
    assert facts(batch) == {"service.batch_size": 4}


def test_under_load_each_request_leads_to_its_run(collector: Collector, service: Service) -> None:
    def some() -> None:
        for _ in range(20):
            ask(service)

    for thread in [in_background(some) for _ in range(8)]:
        thread.join(60)
    collector.flush()
    requests, batches = collector.named(NAME), collector.named("batch")

    assert len(requests) == sum(facts(batch)["service.batch_size"] for batch in batches) == 160
    of_batch = {ids(batch): linked(batch) for batch in batches}
    for request in requests:
        (run,) = linked(request)
        assert ids(request) in of_batch[run]


def test_a_run_in_which_nobody_is_traced_is_no_span(collector: Collector, service: Service) -> None:
    together(service, NOT_SAMPLED, NOT_SAMPLED)
    collector.flush()

    assert collector.spans == []


def test_a_run_in_which_the_model_raises_has_the_class_and_no_message(
    collector: Collector, service: Service
) -> None:
    ask(service, {samples_field(): samples.POISON_VALUE}, headers=SAMPLED)
    collector.flush()
    (request,), (batch,) = collector.named(NAME), collector.named("batch")

    assert batch.status.code == request.status.code == Status.STATUS_CODE_ERROR
    assert facts(batch)["error.type"] == "RuntimeError"
    assert facts(request)["error.type"] == "model_failed"
    assert not batch.events
    assert b"poisoned" not in collector.text  # what the exception says


def samples_field() -> str:
    (name,) = samples.BODY
    return name


def test_a_line_of_the_log_in_a_run_has_its_trace(
    collector: Collector, service: Service, capfd: pytest.CaptureFixture[str]
) -> None:
    ask(service, {samples_field(): samples.POISON_VALUE}, headers=SAMPLED)
    collector.flush()

    (line,) = re.findall(r"^.* batch_failed .*$", capfd.readouterr().out, re.MULTILINE)
    assert CALLER[0] in line
