"""gRPC's own retries: what is sent again, how often, and until when; and a call that is ended."""

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import pytest
from collector import Collector
from fake_version import write_fake_version
from tensorflow_serving.apis import predict_pb2

from service import manifest as manifests
from service import tracing
from service.errors import Busy, Failed, InputFailed, ServerError, TimedOut, Unreachable
from service.tensorflow_serving import GrpcTransport, Left

pytest_plugins = ["traced"]

INPUTS = {"x": np.zeros((1, 200_000), np.float32)}
"""More than gRPC keeps for a retry unless it is told to."""


class Server:
    """Answers with these status codes, one after the other, each after a pause; then rightly."""

    def __init__(self, *codes: grpc.StatusCode, words: str = "?", pause_seconds: float = 0) -> None:
        self.codes = list(codes)
        self.words = words
        self.pause_seconds = pause_seconds
        self.requests = 0
        self.traces: list[str | None] = []
        """As the caller tells of them."""
        self.ended = threading.Event()
        """Set when a call is over, also when its caller has ended it."""

    def predict(self, _request: Any, context: Any) -> Any:
        self.requests += 1
        self.traces.append(dict(context.invocation_metadata()).get("traceparent"))
        context.add_callback(self.ended.set)
        time.sleep(self.pause_seconds)
        if self.codes:
            context.abort(self.codes.pop(0), self.words)
        return predict_pb2.PredictResponse()


@pytest.fixture
def manifest(tmp_path: Any) -> manifests.Manifest:
    return manifests.read(write_fake_version(tmp_path / "default"))


@contextlib.contextmanager
def transport_to(server: Server, manifest: manifests.Manifest) -> Iterator[GrpcTransport]:
    service = grpc.method_handlers_generic_handler(
        "tensorflow.serving.PredictionService",
        {
            "Predict": grpc.unary_unary_rpc_method_handler(
                server.predict,
                request_deserializer=predict_pb2.PredictRequest.FromString,
                response_serializer=predict_pb2.PredictResponse.SerializeToString,
            )
        },
    )
    running = grpc.server(ThreadPoolExecutor(4), handlers=[service])
    port = running.add_insecure_port("127.0.0.1:0")
    running.start()
    transport = GrpcTransport(f"127.0.0.1:{port}", manifest)
    try:
        yield transport
    finally:
        transport.close()
        running.stop(0)


def predict(transport: GrpcTransport, seconds: float = 5) -> None:
    transport.predict("serving_default", INPUTS, {}, seconds=seconds)


AGAIN = {
    "UNAVAILABLE": Unreachable,
    "RESOURCE_EXHAUSTED": Busy,
    "INTERNAL": Failed,
    "UNKNOWN": Failed,
    "ABORTED": Failed,
}


@pytest.mark.parametrize("code", AGAIN)
def test_what_another_try_may_fix_is_sent_again_twice(
    manifest: manifests.Manifest, code: str
) -> None:
    server = Server(*[grpc.StatusCode[code]] * 2)
    with transport_to(server, manifest) as transport:
        predict(transport)
        assert server.requests == 3

        server.codes += [grpc.StatusCode[code]] * 3
        with pytest.raises(AGAIN[code]):
            predict(transport)
        assert server.requests == 6


@pytest.mark.parametrize(("code", "kind"), [("INVALID_ARGUMENT", InputFailed)])
def test_what_another_try_cannot_fix_is_sent_once(
    manifest: manifests.Manifest, code: str, kind: type[ServerError]
) -> None:
    server = Server(grpc.StatusCode[code])
    with transport_to(server, manifest) as transport, pytest.raises(kind):
        predict(transport)
    assert server.requests == 1


def test_all_tries_share_one_deadline(manifest: manifests.Manifest) -> None:
    server = Server(*[grpc.StatusCode.UNAVAILABLE] * 9, pause_seconds=0.4)
    with transport_to(server, manifest) as transport:
        started = time.monotonic()
        with pytest.raises(TimedOut):
            predict(transport, seconds=0.6)
        assert time.monotonic() - started < 1
    assert server.requests <= 2


def test_a_full_queue_is_retried_until_the_budget_is_used_up(manifest: manifests.Manifest) -> None:
    server = Server(*[grpc.StatusCode.UNAVAILABLE] * 60, words="The batch scheduling queue is full")
    with transport_to(server, manifest) as transport:
        for _ in range(20):
            with pytest.raises(Busy):
                predict(transport)

    assert 20 < server.requests <= 30  # as many retries as HTTP has, or fewer: each failure counts


def test_a_call_for_which_nobody_waits_is_ended_at_once(manifest: manifests.Manifest) -> None:
    server = Server(pause_seconds=3)
    with transport_to(server, manifest) as transport:
        started = time.monotonic()
        with pytest.raises(Left):
            transport.predict(
                "serving_default",
                INPUTS,
                {},
                seconds=9,
                has_left=lambda: time.monotonic() > started + 0.3,
            )

        assert server.ended.wait(1)
        assert 0.3 < time.monotonic() - started < 2
    assert server.requests == 1


def test_an_answer_that_somebody_waits_for_comes(manifest: manifests.Manifest) -> None:
    with transport_to(Server(pause_seconds=0.5), manifest) as transport:
        assert transport.predict("s", INPUTS, {}, seconds=5, has_left=lambda: False) == {}


def test_the_server_hears_of_the_trace(manifest: manifests.Manifest, collector: Collector) -> None:
    server = Server(grpc.StatusCode.UNAVAILABLE)
    with transport_to(server, manifest) as transport:
        with tracing.call("grpc://127.0.0.1:1"):
            predict(transport)  # by its second try
        collector.flush()
        predict(transport)  # without a trace
    (span,) = collector.named("model server")
    told = f"00-{span.trace_id.hex()}-{span.span_id.hex()}-03"  # sampled, and random
    assert server.traces == [told, told, None]
