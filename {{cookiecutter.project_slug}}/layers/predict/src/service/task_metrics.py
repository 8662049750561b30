"""What is counted of a task's own work, wherever its model runs."""

from prometheus_client import CollectorRegistry, Histogram

from service.buckets import SECONDS


class TaskMetrics:
    """Metrics of preprocessing.

    Args:
        registry: the application's.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.preprocess_seconds = Histogram(
            "service_preprocess_seconds",
            "Time to turn one request's inputs into arrays.",
            buckets=SECONDS,
            registry=registry,
        )
