"""Structured logs on standard output: one JSON object a line, or text for a terminal."""

import logging
import re
import sys
from typing import Any

import structlog

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("service")


_USER = re.compile(r"(?<=://)[^\s/]*@")
_QUERY = re.compile(r"(://[^\s?\"']*)\?[^\s\"']*")


def without_secrets(text: str) -> str:
    """*text* without what is secret in addresses: the user, the password, a signed query."""
    return _QUERY.sub(r"\1", _USER.sub("", text))


def _hide_secrets(_log: object, _method: str, event: Any) -> Any:
    return {
        key: without_secrets(value) if isinstance(value, str) and "://" in value else value
        for key, value in event.items()
    }


def configure_logs(level: str, style: str | None) -> None:
    """Set up logging for the process, that of libraries too.

    Without a *style*, it is ``console`` on a terminal, else ``json``.
    """
    style = style or ("console" if sys.stdout.isatty() else "json")
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True)
        if style == "json"
        else structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
    ]
    if style == "json":
        shared.append(structlog.processors.format_exc_info)
    shared.append(_hide_secrets)
    renderer: Any = (
        structlog.processors.JSONRenderer() if style == "json" else structlog.dev.ConsoleRenderer()
    )
    # Not by way of logging, which took a quarter of a small request; libraries log there.
    structlog.configure(
        processors=[*shared, renderer],
        logger_factory=structlog.WriteLoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
