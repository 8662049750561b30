"""What is counted of a model that predicts behind a model server."""

from prometheus_client import CollectorRegistry

from service.task_metrics import TaskMetrics
from service.upstream_metrics import UpstreamMetrics


class ModelMetrics(TaskMetrics, UpstreamMetrics):
    """Metrics of preprocessing, and of the model server's calls.

    Args:
        registry: the application's.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        TaskMetrics.__init__(self, registry)
        UpstreamMetrics.__init__(self, registry)
