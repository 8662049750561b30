"""What is counted of the model server's calls."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from service.buckets import SECONDS
from service.server_errors import ServerError

_OUTCOMES = ["ok", *sorted(kind.__name__ for kind in ServerError.__subclasses__())]


class UpstreamMetrics:
    """Metrics of calls, retries and the circuit.

    Args:
        registry: the application's.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.call_seconds = Histogram(
            "service_model_server_seconds",
            "Time of one call of the model server.",
            buckets=SECONDS,
            registry=registry,
        )
        self.calls = Counter(
            "service_model_server_calls",
            "Calls of the model server, retries included.",
            ["outcome"],
            registry=registry,
        )
        for outcome in _OUTCOMES:
            self.calls.labels(outcome)
        self.retries = Counter(
            "service_model_server_retries",
            "Calls that were made again.",
            registry=registry,
        )
        self.circuit_open = Gauge(
            "service_circuit_open",
            "1 while the model server is left alone.",
            registry=registry,
        )
