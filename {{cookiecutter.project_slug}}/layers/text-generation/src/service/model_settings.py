"""Defaults that follow from what the model does: it generates."""

HTTP_THREADS = 192
"""Each text holds one while it is generated or waits; probes and /metrics need some as well."""
REQUEST_TIMEOUT_SECONDS = 60
SHUTDOWN_SECONDS = 65
"""A text in flight may take as long as a request, and its answer has to be sent."""
