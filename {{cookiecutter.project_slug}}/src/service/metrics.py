"""What is counted, for Prometheus.

One registry an application, because one process holds the model: no multi-process mode needed.
"""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from service import tracing
# only: model-server
from service.errors import ServerError
# end

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Bounds of histograms of times."""


class Metrics:
    """All metrics of one application."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # doubles the lines, and none reads them
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(name, meaning, labels, registry=registry)

        def gauge(name: str, meaning: str, *labels: str) -> Gauge:
            return Gauge(name, meaning, labels, registry=registry)

        def seconds(name: str, meaning: str, *labels: str) -> Histogram:
            return Histogram(name, meaning, labels, buckets=SECONDS, registry=registry)

        self.requests = counter(
            "service_requests", "Requests answered.", "method", "route", "status"
        )
        self.request_seconds = seconds(
            "service_request_seconds", "Time from a request's arrival to its answer.", "route"
        )
        self.connections = gauge("service_connections", "Open connections.")
        self.in_flight = gauge("service_requests_in_flight", "Requests in flight.")
        self.ready = gauge("service_ready", "1 when /readyz says yes.")
        self.model_info = gauge(
            "service_model_info",
            "The model that answers; always 1.",
            *("name", "version", "task", "format"),
        )
        # only: predict
        self.preprocess_seconds = seconds(
            "service_preprocess_seconds", "Time to turn one request's inputs into arrays."
        )
        # end
        # only: in-process
        self.queued = gauge("service_queued_inputs", "Inputs that wait for the model.")
        self.wait_seconds = seconds(
            "service_queue_wait_seconds", "Time that an input waited for the model."
        )
        self.shed = counter(
            "service_shed_inputs", "Inputs refused or dropped before the model saw them.", "reason"
        )
        for reason in ("queue_full", "deadline", "cancelled"):
            self.shed.labels(reason)
        # end
        # only: predict+in-process
        self.batch_size = Histogram(
            "service_batch_size",
            "Inputs in one run of the model.",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=registry,
        )
        self.batch_seconds = seconds("service_batch_seconds", "Time of one run of the model.")
        self.batch_failures = counter("service_batch_failures", "Runs in which the model raised.")
        # end
        # only: text-generation
        self.prompt_tokens = counter(
            "service_prompt_tokens", "Tokens of prompts that the model has read."
        )
        self.generated_tokens = counter(
            "service_generated_tokens", "Tokens that the model has given."
        )
        self.first_token_seconds = seconds(
            "service_first_token_seconds",
            "Time from a prompt's arrival to the first token of its answer.",
        )
        self.endings = counter(
            "service_sequences", "Sequences that had a place and ended.", "ending"
        )
        for ending in ("stop", "length", "cancelled", "deadline", "failed"):
            self.endings.labels(ending)
        self.running = gauge("service_running_sequences", "Sequences that run side by side.")
        # end
        # only: text-generation+in-process | text-generation+pytorch
        self.step_seconds = seconds(
            "service_step_seconds", "Time in which every running sequence gets one token."
        )
        self.step_failures = counter("service_step_failures", "Steps in which the model raised.")
        # end
        # only: model-server
        self.call_seconds = seconds(
            "service_model_server_seconds", "Time of one call of the model server."
        )
        self.calls = counter(
            "service_model_server_calls", "Calls of the model server, by how they ended.", "outcome"
        )
        for outcome in ("ok", *sorted(kind.__name__ for kind in ServerError.__subclasses__())):
            self.calls.labels(outcome)
        self.circuit_open = gauge("service_circuit_open", "1 while the model server is left alone.")
        # end

    def render(self, accepted: str) -> tuple[bytes, str]:
        """All metrics, and their Content-Type; exemplars where they are *accepted* and there."""
        if not tracing.is_on():
            return generate_latest(self.registry), CONTENT_TYPE
        encode, content_type = choose_encoder(accepted)
        return encode(self.registry), content_type
