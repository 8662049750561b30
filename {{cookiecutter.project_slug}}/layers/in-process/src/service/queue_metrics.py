"""What is counted of the queue in front of the model."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from service.buckets import SECONDS


class QueueMetrics:
    """Metrics of inputs that wait, and of those that the model never sees.

    Args:
        registry: the application's.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.queued = Gauge(
            "service_queued_inputs", "Inputs that wait for the model.", registry=registry
        )
        self.wait_seconds = Histogram(
            "service_queue_wait_seconds",
            "Time that an input waited for the model.",
            buckets=SECONDS,
            registry=registry,
        )
        self._shed = Counter(
            "service_shed_inputs",
            "Inputs refused or dropped before the model saw them.",
            ["reason"],
            registry=registry,
        )
        for reason in ("queue_full", "deadline", "cancelled"):
            self._shed.labels(reason)

    def shed(self, reason: str, inputs: int = 1) -> None:
        """Count *inputs* that the model never saw."""
        self._shed.labels(reason).inc(inputs)
