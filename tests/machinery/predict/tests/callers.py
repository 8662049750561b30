"""Callers in a process of their own, which has nothing else to do; time is what they wait.

As a script it takes a ``Load`` as JSON and prints ``Answers`` as JSON.
"""

import json
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

PROBES = ("/livez", "/readyz", "/metrics")
CLIENTS = 16
SPARE = 200
"""Connections for requests at a rate; made before, so that nobody waits for them."""


@dataclass
class Load:
    """What is asked.

    Args:
        port: of the service.
        request: as it goes over the wire, in latin-1.
        rate: requests a second.
        seconds: how long.
        peak_seconds: how long *CLIENTS* ask at first, each again when it has its answer. Then
            *rate* counts in what they have got.
    """

    port: int
    request: str
    rate: float
    seconds: float
    peak_seconds: float = 0

    def run(self) -> "Answers":
        """The answers, from a process of its own."""
        command = [sys.executable, __file__, json.dumps(asdict(self))]
        found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=120)
        return Answers(**json.loads(found.stdout))


@dataclass
class Answers:
    """What came.

    Args:
        requests: status, seconds from when a request was sent to the end of its answer, and
            Retry-After (0 without), of each.
        probes: the same of probes, each on a connection of its own.
        peak: right answers a second that *CLIENTS* had.
    """

    requests: list[tuple[int, float, int]]
    probes: list[tuple[int, float, int]]
    peak: float = 0

    def goodput(self, seconds: float) -> float:
        """Right answers to so many seconds of requests, a second."""
        return sum(status == 200 for status, _, _ in self.requests) / seconds


def percentile(share: float, answers: Sequence[tuple[int, float, int]], *statuses: int) -> float:
    """Seconds that *share* of the answers with these statuses do not exceed."""
    seconds = sorted(each for status, each, _ in answers if status in statuses)
    return seconds[int(share * (len(seconds) - 1))]


@dataclass
class _Waiting:
    kind: str
    since: float = field(default_factory=time.monotonic)
    received: bytearray = field(default_factory=bytearray)


class _Callers:
    def __init__(self, port: int) -> None:
        self.answers: dict[str, list[tuple[int, float, int]]] = {"request": [], "probe": []}
        self.waiting: dict[socket.socket, _Waiting] = {}
        self.idle: list[socket.socket] = []
        self._address = ("127.0.0.1", port)
        self._selector = selectors.DefaultSelector()

    def connect(self) -> socket.socket:
        connection = socket.create_connection(self._address)
        self._selector.register(connection, selectors.EVENT_READ)
        return connection

    def ask(self, request: bytes) -> None:
        connection = self.idle.pop() if self.idle else self.connect()
        connection.sendall(request)
        self.waiting[connection] = _Waiting("request")

    def probe(self, path: str) -> None:
        since = time.monotonic()
        connection = self.connect()
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        self.waiting[connection] = _Waiting("probe", since)

    def receive(self, seconds: float) -> None:
        """Take what comes in this time, at least what is there."""
        for key, _ in self._selector.select(max(0, seconds)):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            each = self.waiting[connection]
            data = connection.recv(65536)
            assert data, f"left with {bytes(each.received)!r}"
            each.received += data
            head, end, body = bytes(each.received).partition(b"\r\n\r\n")
            lines = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
            if end and len(body) == int(lines[b"content-length"]):
                seconds = time.monotonic() - each.since
                status, retry = int(head.split()[1]), int(lines.get(b"retry-after", b"0"))
                self.answers[each.kind].append((status, seconds, retry))
                del self.waiting[connection]
                if each.kind == "request":
                    self.idle.append(connection)
                else:
                    self._selector.unregister(connection)
                    connection.close()


def _peak(callers: _Callers, load: Load) -> float:
    for _ in range(CLIENTS):
        callers.ask(load.request.encode("latin-1"))
    end = time.monotonic() + load.peak_seconds
    while time.monotonic() < end:
        callers.receive(0.1)
        while len(callers.waiting) < CLIENTS:
            callers.ask(load.request.encode("latin-1"))
    found = sum(status == 200 for status, _, _ in callers.answers["request"])
    while callers.waiting:
        callers.receive(0.1)
    callers.answers["request"].clear()
    return found / load.peak_seconds


def _at_rate(callers: _Callers, load: Load, rate: float) -> None:
    """Ask at *rate*, whether there are answers or not, and a probe each tenth of a second."""
    started = time.monotonic()
    asked = probed = 0
    while (passed := time.monotonic() - started) < load.seconds:
        if passed >= asked / rate:
            callers.ask(load.request.encode("latin-1"))
            asked += 1
        elif passed >= probed / 10:
            callers.probe(PROBES[probed % len(PROBES)])
            probed += 1
        due = min(asked / rate, probed / 10)
        callers.receive(started + due - time.monotonic())
    while callers.waiting:
        callers.receive(0.1)


def main() -> None:
    load = Load(**json.loads(sys.argv[1]))
    callers = _Callers(load.port)
    peak = _peak(callers, load) if load.peak_seconds else 0
    callers.idle += [callers.connect() for _ in range(SPARE)]
    _at_rate(callers, load, load.rate * (peak or 1))
    found = Answers(callers.answers["request"], callers.answers["probe"], peak)
    sys.stdout.write(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
