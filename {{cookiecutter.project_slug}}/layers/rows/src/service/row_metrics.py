"""What is counted of a decoder's steps."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from service.buckets import SECONDS
from service.text_metrics import TextMetrics


class RowMetrics(TextMetrics):
    """Metrics of the steps in which sequences get their tokens.

    Args:
        registry: the application's.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self.step_seconds = Histogram(
            "service_step_seconds",
            "Time in which every running sequence gets one token.",
            buckets=SECONDS,
            registry=registry,
        )
        self.step_failures = Counter(
            "service_step_failures", "Steps in which the model raised.", registry=registry
        )
