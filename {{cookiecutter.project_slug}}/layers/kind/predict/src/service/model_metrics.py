"""What is counted of a model that predicts."""

from prometheus_client import CollectorRegistry, Counter, Histogram

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Bounds for times, in seconds."""


class ModelMetrics:
    """Figures of the model's runs.

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
        self.batch_size = Histogram(
            "service_batch_size",
            "Inputs in one run of the model.",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=registry,
        )
        self.batch_seconds = Histogram(
            "service_batch_seconds",
            "Time of one run of the model.",
            buckets=SECONDS,
            registry=registry,
        )
        self.batch_failures = Counter(
            "service_batch_failures", "Runs in which the model raised.", registry=registry
        )
