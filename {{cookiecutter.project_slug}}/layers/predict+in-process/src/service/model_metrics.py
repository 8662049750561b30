"""What is counted of a model that predicts in this process."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from service.buckets import SECONDS
from service.queue_metrics import QueueMetrics
from service.task_metrics import TaskMetrics


class ModelMetrics(TaskMetrics, QueueMetrics):
    """Metrics of the model's runs.

    Args:
        registry: the application's.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        TaskMetrics.__init__(self, registry)
        QueueMetrics.__init__(self, registry)
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
