"""What is counted of a model that generates in this process."""

from prometheus_client import CollectorRegistry, Gauge

from service.queue_metrics import QueueMetrics
from service.row_metrics import RowMetrics


class ModelMetrics(RowMetrics, QueueMetrics):
    """Metrics of the model's steps and tokens.

    Args:
        registry: the application's.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        RowMetrics.__init__(self, registry)
        QueueMetrics.__init__(self, registry)
        self.running = Gauge(
            "service_running_sequences", "Sequences that run side by side.", registry=registry
        )
