"""A service behind a socket, in this process, and what its callers say and hear."""

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import samples
from asking import wait_for
from fake_version import write_fake_version
from fakes import FakeModel, fake_model
from processes import HEADERS, free_port

from service.metrics import Metrics
from service.pipeline import Pipeline
from service.server import Connection, Server, listen
from service.settings import Settings
from service.versions import Versions
from service.web.access import Access

THREADS = 4
SECONDS = 1.0  # for a caller
HEAD = f"POST {samples.ROUTE} HTTP/1.1\r\nHost: a\r\nContent-Type: {samples.RAW_MEDIA_TYPE}\r\n"


@dataclass
class Served:
    """A service behind a socket, in this process."""

    port: int
    model: type[FakeModel]
    server: Server

    @property
    def ports(self) -> list[int]:
        """Of the callers that are connected."""
        connections = list(self.server.server_state.connections)
        known = [each.client for each in connections if isinstance(each, Connection)]
        return [client[1] for client in known if client]

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def ask(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
        """The status and the answer, on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request(
                "POST" if body else "GET", path, body, {**(HEADERS if body else {}), **headers}
            )
            response = connection.getresponse()
            self.headers = dict(response.getheaders())
            return response.status, response.read()

    def say(self, text: str, *, end: bool = False) -> tuple[int, bytes]:
        """What is answered to *text* as it stands; with *end*, nothing more is sent."""
        with self.connect() as connection:
            connection.sendall(text.encode("latin-1"))
            if end:
                connection.shutdown(socket.SHUT_WR)
            response = http.client.HTTPResponse(connection)
            response.begin()
            return response.status, response.read()


@contextlib.contextmanager
def serving(folder: Path, **options: Any) -> Iterator[Served]:
    """A service with these settings, ready."""
    port = free_port()
    settings = Settings(
        model_dir=folder / "default",
        port=port,
        http_threads=THREADS,
        transfer_seconds=SECONDS,
        keep_alive_seconds=2,
        **options,
    )
    write_fake_version(settings.model_dir)
    model = fake_model()
    versions = Versions(
        settings, Metrics(), lambda _: None, lambda s, m, failed: Pipeline(s, m, failed, model)
    )
    versions.start()
    server = Server(versions, settings, Access(settings))
    thread = threading.Thread(target=server.run, args=(listen("localhost", port),))
    thread.start()
    served = Served(port, model, server)
    try:
        wait_for(lambda: server.started and served.ask("/readyz")[0] == http.client.OK)
        yield served
    finally:
        model.gate.set()
        server.should_exit = True
        thread.join()
        versions.close()


def code_of(answer: bytes) -> str:
    return str(json.loads(answer)["code"])
