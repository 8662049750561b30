"""A collector of traces on loopback, which reads what comes with the protocol's own messages."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from service import tracing

CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
"""A caller's trace, and its span."""
SAMPLED = {"traceparent": f"00-{CALLER[0]}-{CALLER[1]}-01"}
NOT_SAMPLED = {"traceparent": f"00-{CALLER[0]}-{CALLER[1]}-00"}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    bodies: list[bytes]


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        self.server.bodies.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


class Collector:
    """What has come so far; its *settings* lead a service here."""

    def __init__(self, server: _Server) -> None:
        self._server = server
        self.settings = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_address[1]}",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }

    @property
    def text(self) -> bytes:
        """All of it, as it came."""
        return b"".join(self._server.bodies)

    @property
    def spans(self) -> list[Span]:
        exported = map(ExportTraceServiceRequest.FromString, self._server.bodies)
        return [
            span
            for each in exported
            for resource in each.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def resource(self) -> dict[str, Any]:
        """Attributes of what has sent spans last."""
        last = ExportTraceServiceRequest.FromString(self._server.bodies[-1])
        return _values(last.resource_spans[0].resource.attributes)

    def named(self, name: str) -> list[Span]:
        """The spans of this name, first the one that began first."""
        found = [span for span in self.spans if span.name == name]
        return sorted(found, key=lambda span: span.start_time_unix_nano)

    def flush(self) -> None:
        """Let all come that this process has."""
        tracing.end()


def facts(span: Span) -> dict[str, Any]:
    """Its attributes."""
    return _values(span.attributes)


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


@contextlib.contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that listens."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.bodies = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Collector(server)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
