"""How tests ask for a text in events, and read them."""

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from conftest import Service


@dataclass
class Stream:
    """An answer on its way, as a WSGI server holds it."""

    chunks: Any
    status: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def close(self) -> None:
        """Leave, as a server notices it."""
        self.chunks.close()


def open_stream(service: Service, path: str, body: object) -> Stream:
    """Ask for *body* with ``stream``, and take nothing of the answer yet."""
    content = json.dumps({**body, "stream": True} if isinstance(body, dict) else body).encode()
    stream = Stream(None)

    def start_response(status: str, headers: list[tuple[str, str]], _info: object = None) -> Any:
        stream.status, stream.headers = status, {name.lower(): value for name, value in headers}

    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_NAME": "service.test",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(content)),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(content),
        "wsgi.errors": io.StringIO(),
    }
    stream.chunks = service.app(environ, start_response)
    return stream


def events_of(chunks: Iterable[bytes]) -> list[tuple[str, Any]]:
    """Kind and data of each event; a comment is of the kind ``comment``."""
    events = []
    for block in b"".join(chunks).decode().removesuffix("\n\n").split("\n\n"):
        kind = "message"
        data: Any = None
        for line in block.split("\n"):
            name, _, value = line.partition(": ")
            if not name:
                kind, data = "comment", value
            elif name == "event":
                kind = value
            else:
                assert name == "data"
                data = value if value == "[DONE]" else json.loads(value)
        events.append((kind, data))
    return events


def ask_for_stream(service: Service, path: str, body: object) -> list[tuple[str, Any]]:
    """All events of the answer to *body*."""
    stream = open_stream(service, path, body)
    assert stream.status == "200 OK", list(stream.chunks)
    assert stream.headers["content-type"] == "text/event-stream"
    assert stream.headers["cache-control"] == "no-cache"
    assert stream.headers["x-accel-buffering"] == "no"
    assert "content-length" not in stream.headers
    return events_of(stream.chunks)
