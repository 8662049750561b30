"""Traces for OpenTelemetry, where the environment asks for them; else none of it is imported.

Variables: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables. Names:
https://opentelemetry.io/docs/specs/semconv; what has none there begins with ``service.``. Spans
have no input, no key, and no message of an exception, which may quote one.
"""

import os
import re
import threading
# only: text-generation+in-process | text-generation+pytorch
import time
# end
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from http import HTTPMethod, HTTPStatus
from importlib.metadata import entry_points
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
# only: model-server
from urllib.parse import urlsplit
# end

from dotenv import dotenv_values
from structlog.contextvars import bound_contextvars

from service.errors import OwnerError
from service.settings import PROJECT

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

    from opentelemetry.trace import Span

_LAST_SECONDS = 2
"""For the last spans to be sent; a collector that does not answer holds nobody up."""
_UNTRACED = {"/livez", "/readyz", "/metrics"}
_TRACEPARENT = re.compile("[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_NAMES = {
    "status": "http.response.status_code",
    "bytes": "http.response.body.size",
    "client": "client.address",
    "key": "enduser.id",
    "reason": "error.type",
    "request_id": "service.request_id",
    "version": "service.model_version",
    "batch": "service.batch_size",
    "queue_milliseconds": "service.queue_milliseconds",
    "model_milliseconds": "service.model_milliseconds",
    # only: text-generation
    "operation": "gen_ai.operation.name",
    "model": "gen_ai.request.model",
    "prompt_tokens": "gen_ai.usage.input_tokens",
    "generated_tokens": "gen_ai.usage.output_tokens",
    # end
}
"""Field of the log -> attribute."""
_on: Any = None
"""The tracer and OpenTelemetry's modules, while there are traces."""


def begin() -> None:
    """Send traces from now on, if asked to; ``OwnerError`` where the packages are not there."""
    global _on  # noqa: PLW0603 - one a process, as OpenTelemetry's own
    for name, value in dotenv_values(".env").items():
        if name.startswith("OTEL_"):
            os.environ.setdefault(name, value or "")
    told = {name: value for name, value in os.environ.items() if name.startswith("OTEL_") and value}
    asking = ("EXPORTER_OTLP_ENDPOINT", "EXPORTER_OTLP_TRACES_ENDPOINT", "TRACES_EXPORTER")
    asked = [f"OTEL_{each}" for each in asking if f"OTEL_{each}" in told]
    name = told.get("OTEL_TRACES_EXPORTER", "otlp")
    if not asked or name == "none" or told.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    if name == "otlp":
        protocol = told.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        protocol = told.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", protocol)
        name = f"otlp_proto_{protocol.partition('/')[0]}"
    exporters = list(entry_points(group="opentelemetry_traces_exporter", name=name))
    if not exporters:
        raise OwnerError(
            f'{asked[0]} is "{told[asked[0]]}", and the package that exports traces ({name}) is '
            'not installed. Run "make install", build the image by "make image WITH_TRACING=1", or '
            "set OTEL_SDK_DISABLED=true."
        )
    from opentelemetry import context, propagate, trace
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    if "service.name=" not in told.get("OTEL_RESOURCE_ATTRIBUTES", ""):
        os.environ["OTEL_SERVICE_NAME"] = told.get("OTEL_SERVICE_NAME", PROJECT["name"])
    provider = TracerProvider(resource=Resource.create({"service.version": PROJECT["version"]}))
    provider.add_span_processor(BatchSpanProcessor(exporters[0].load()()))
    trace.set_tracer_provider(provider)
    fields = propagate.get_global_textmap().fields
    _on = SimpleNamespace(
        tracer=provider.get_tracer("service"),
        shutdown=provider.shutdown,
        headers={each: f"HTTP_{each.upper().replace('-', '_')}" for each in fields},
        context=context,
        propagate=propagate,
        trace=trace,
    )


def end() -> None:
    """Send what is left, and no more from now on."""
    global _on  # noqa: PLW0603 - as above
    if _on:
        thread = threading.Thread(target=_on.shutdown, daemon=True)
        thread.start()
        thread.join(_LAST_SECONDS)
        _on = None


def is_on() -> bool:
    return _on is not None


class RequestSpan:
    """The span of a request, in the thread that works on it; a child of its caller's."""

    def __init__(self, environ: "WSGIEnvironment") -> None:
        told = {name: environ[key] for name, key in _on.headers.items() if key in environ}
        parent = _on.propagate.extract(told) if told else _on.context.Context()
        method = environ["REQUEST_METHOD"]
        self._method = method if method in HTTPMethod.__members__ else "_OTHER"
        first = {
            "http.request.method": self._method,
            "url.path": environ.get("PATH_INFO", ""),
            "url.scheme": environ["wsgi.url_scheme"],
        }
        self._span = _on.tracer.start_span(self._method, parent, _on.trace.SpanKind.SERVER, first)
        self._token = _on.context.attach(_on.trace.set_span_in_context(self._span, parent))
        self.ids = _ids(self._span)

    @property
    def exemplar(self) -> dict[str, str] | None:
        """For a metric: which trace shows the like of what is counted."""
        return self.ids if self._span.is_recording() else None

    def end(self, route: str | None, facts: Mapping[str, Any]) -> None:
        """End it; *facts* are the fields of its line in the log, of which some have a name here."""
        if _on is None:
            return
        _on.context.detach(self._token)
        if self._span.is_recording():
            if route:
                self._span.update_name(f"{self._method} {route}")
                self._span.set_attribute("http.route", route)
            self._span.set_attributes(_named(facts))
            # only: text-generation
            if "operation" in facts:
                self._span.set_attribute("gen_ai.provider.name", PROJECT["name"])
            if waited := facts.get("first_token_milliseconds"):
                self._span.set_attribute("gen_ai.response.time_to_first_chunk", waited / 1000)
            # end
            if facts["status"] >= HTTPStatus.INTERNAL_SERVER_ERROR:
                self._span.set_status(_on.trace.StatusCode.ERROR)
        self._span.end()


def request(environ: "WSGIEnvironment") -> RequestSpan | None:
    """Begin the span of a request; ``None`` for probes, and where there are no traces."""
    if _on is None or environ.get("PATH_INFO") in _UNTRACED:
        return None
    return RequestSpan(environ)


def callers_ids(environ: "WSGIEnvironment") -> dict[str, str]:
    """For the log, where there is no span: the trace that the caller says it is part of."""
    found = _TRACEPARENT.fullmatch(environ.get("HTTP_TRACEPARENT", ""))
    return {"trace_id": found[1]} if found else {}


def current() -> "Span | None":
    """The span of what this thread does, where it is recorded."""
    if _on is None:
        return None
    span: Span = _on.trace.get_current_span()
    return span if span.is_recording() else None


def batch(spans: "Sequence[Span | None]") -> AbstractContextManager[None]:
    """A run of the model, made in the ``with`` block; *spans* has its request's for each input.

    It is a child of the first of them, and linked to all, as they are to it: each trace leads to
    it. Nothing where none is recorded.
    """
    traced = [each for each in dict.fromkeys(spans) if each and each.is_recording()]
    return _batch(traced, len(spans)) if traced and _on else nullcontext()


@contextmanager
def _batch(traced: "Sequence[Span]", size: int) -> Iterator[None]:
    links = [_on.trace.Link(each.get_span_context()) for each in traced]
    parent, facts = _on.trace.set_span_in_context(traced[0]), {"service.batch_size": size}
    with _span("batch", parent, links=links, attributes=facts) as span:
        for each in traced:
            each.add_link(span.get_span_context())
        yield


@contextmanager
def _span(*what: Any, **more: Any) -> "Iterator[Span]":
    """A span around the ``with`` block; the log has its ids."""
    quiet = {"record_exception": False, "set_status_on_exception": False}
    with (
        _on.tracer.start_as_current_span(*what, **more, **quiet) as span,
        bound_contextvars(**_ids(span)),
    ):
        try:
            yield span
        except Exception as error:
            failed(error)
            raise


def failed(error: Exception) -> None:
    """Let the current span tell of *error*, by its class."""
    if span := current():
        span.set_attribute("error.type", type(error).__qualname__)
        span.set_status(_on.trace.StatusCode.ERROR)


def _named(facts: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: value for name, value in facts.items() if value is not None}
    return {attribute: told[name] for name, attribute in _NAMES.items() if name in told}


def _ids(span: "Span") -> dict[str, str]:
    context = span.get_span_context()
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
# only: text-generation+in-process | text-generation+pytorch


def text(span: "Span | None", seconds: float, ending: str, times: Mapping[str, float]) -> None:
    """A text that has just ended, of the request with *span*; it was asked for *seconds* ago."""
    if span is None or _on is None:
        return
    now = time.time_ns()
    since, parent = now - int(seconds * 1e9), _on.trace.set_span_in_context(span)
    facts = {**_named(times), "gen_ai.response.finish_reasons": [ending]}
    child = _on.tracer.start_span("text", parent, attributes=facts, start_time=since)
    if waited := times.get("first_token_milliseconds"):
        child.add_event("first token", timestamp=since + int(waited * 1e6))
    child.end(now)
# end
# only: model-server


def call(url: str) -> AbstractContextManager[object]:
    """A call of the server at *url*, made in the ``with`` block."""
    if _on is None:
        return nullcontext()
    server = urlsplit(url)
    address = {"server.address": server.hostname, "server.port": server.port or 80}
    return _span("model server", kind=_on.trace.SpanKind.CLIENT, attributes=address)


def headers() -> dict[str, str]:
    """What tells the server of the span that calls it."""
    found: dict[str, str] = {}
    if _on:
        _on.propagate.inject(found)
    return found
# end
