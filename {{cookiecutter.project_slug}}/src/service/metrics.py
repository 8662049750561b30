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
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from service.buckets import SECONDS
from service.model_metrics import ModelMetrics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """All metrics of one application."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # doubles the lines, and none reads them
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.requests = Counter(
            "service_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "service_request_seconds",
            "Time from a request's arrival to its answer.",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "service_requests_in_flight", "Requests in flight.", registry=self.registry
        )
        self.ready = Gauge("service_ready", "1 when /readyz says yes.", registry=self.registry)
        self.model_info = Gauge(
            "service_model_info",
            "The model that answers; always 1.",
            ["name", "version", "task", "format"],
            registry=self.registry,
        )
        self.model = ModelMetrics(self.registry)

    def render(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self.registry)
