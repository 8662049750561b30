"""What the routes around the model answer, whatever the web framework.

Its views read, call one of these, and answer.
"""

from dataclasses import dataclass, field
from http import HTTPStatus
from math import isfinite

from service.errors import InvalidInput, NotFound, NotReady, Stuck
from service.metrics import CONTENT_TYPE, Metrics
from service.pipeline import Pipeline
from service.settings import Settings
from service.web.openapi import DOCUMENT
from service.web.openapi_parts import Health
from service.web.pages import STATIC_FILES


@dataclass(frozen=True)
class Context:
    """What the handlers work with."""

    pipeline: Pipeline
    settings: Settings
    metrics: Metrics


@dataclass(frozen=True)
class Reply:
    """An answer that a web framework turns into its own kind of response."""

    body: bytes
    media_type: str = "application/json"
    status: HTTPStatus = HTTPStatus.OK
    headers: dict[str, str] = field(default_factory=dict)


def livez(context: Context) -> Reply:
    """Yes, unless a restart would help."""
    if not context.pipeline.is_live:
        raise Stuck("The model runs for longer than STUCK_SECONDS, or its thread has ended.")
    return Reply(Health(status="live").model_dump_json().encode())


def readyz(context: Context) -> Reply:
    """Yes when the model is loaded and warm, until the service is about to stop."""
    if context.pipeline.is_draining:
        raise NotReady("The service is about to stop.", retry_after_seconds=1)
    if not context.pipeline.is_ready:
        raise NotReady("The model is being loaded.", retry_after_seconds=1)
    return Reply(Health(status="ready").model_dump_json().encode())


def metrics(context: Context) -> Reply:
    """The metrics for Prometheus."""
    context.metrics.ready.set(context.pipeline.is_ready)
    return Reply(context.metrics.render(), CONTENT_TYPE)


def openapi(_context: Context) -> Reply:
    """The description of all routes."""
    return Reply(DOCUMENT)


def static(name: str) -> Reply:
    """A file of the pages.

    Raises:
        NotFound: there is no such file.
    """
    try:
        media_type, body = STATIC_FILES[name]
    except KeyError:
        raise NotFound(f"There is no file {name[:100]!r}.") from None
    return Reply(body, media_type, headers={"Cache-Control": "public, max-age=300"})


def timeout_seconds(text: str | None, limit: float) -> float:
    """How long a caller waits.

    Args:
        text: the header X-Request-Timeout, in seconds, where the caller sent it.
        limit: the service's own.

    Raises:
        InvalidInput: *text* is no positive number.
    """
    if text is None:
        return limit
    try:
        seconds = float(text)
    except ValueError:
        seconds = float("nan")
    if not isfinite(seconds) or seconds <= 0:
        raise InvalidInput.of(
            "X-Request-Timeout", "a positive number of seconds is accepted, such as 2.5"
        )
    return min(seconds, limit)
