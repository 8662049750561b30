"""Defaults that follow from what the model does: it predicts."""

HTTP_THREADS = 64
REQUEST_TIMEOUT_SECONDS = 10
SHUTDOWN_SECONDS = 20
