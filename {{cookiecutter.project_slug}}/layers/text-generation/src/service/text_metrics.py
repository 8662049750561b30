"""What is counted of texts in the making."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from service.buckets import SECONDS


class TextMetrics:
    """Metrics of tokens and of how texts end.

    Args:
        registry: the application's.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
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
        self.endings = Counter(
            "service_sequences",
            "Sequences that had a place and ended.",
            ["ending"],
            registry=registry,
        )
        for ending in ("stop", "length", "cancelled", "deadline", "failed"):
            self.endings.labels(ending)
