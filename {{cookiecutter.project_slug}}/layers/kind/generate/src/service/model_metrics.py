"""What is counted of a model that generates."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Bounds for times, in seconds."""


class ModelMetrics:
    """Figures of the model's steps and tokens.

    Args:
        registry: the application's.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.running = Gauge(
            "service_running_sequences", "Sequences that run side by side.", registry=registry
        )
        self.prompt_tokens = Counter(
            "service_prompt_tokens", "Tokens of prompts that the model has read.", registry=registry
        )
        self.generated_tokens = Counter(
            "service_generated_tokens", "Tokens that the model has given.", registry=registry
        )
        self.first_token_seconds = Histogram(
            "service_first_token_seconds",
            "Time from a prompt's arrival to the first token of its answer.",
            buckets=SECONDS,
            registry=registry,
        )
        self.step_seconds = Histogram(
            "service_step_seconds",
            "Time in which every running sequence gets one token.",
            buckets=SECONDS,
            registry=registry,
        )
        self.step_failures = Counter(
            "service_step_failures", "Steps in which the model raised.", registry=registry
        )
        self.endings = Counter(
            "service_sequences",
            "Sequences that had a row and ended.",
            ["ending"],
            registry=registry,
        )
        for ending in ("stop", "length", "cancelled", "deadline", "failed"):
            self.endings.labels(ending)
