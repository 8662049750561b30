"""What is counted of a model that generates behind a model server."""

from prometheus_client import CollectorRegistry, Gauge

from service.text_metrics import TextMetrics
from service.upstream_metrics import UpstreamMetrics


class ModelMetrics(TextMetrics, UpstreamMetrics):
    """Metrics of tokens, and of the model server's calls.

    Args:
        registry: the application's.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        TextMetrics.__init__(self, registry)
        UpstreamMetrics.__init__(self, registry)
        self.running = Gauge(
            "service_running_sequences",
            "Sequences in flight at the model server.",
            registry=registry,
        )
