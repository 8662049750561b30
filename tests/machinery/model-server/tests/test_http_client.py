"""HTTP to a server that answers badly: what comes of it, and after how long."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from service.http_client import Exchange, HttpClient
from service.server_errors import TimedOut, Unreachable

SECONDS = 0.5
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"


@contextlib.contextmanager
def answering(*parts: bytes, pause_seconds: float = 0.0, hang: bool = False) -> Iterator[str]:
    """The address of a server that sends *parts*, each after a pause, and then closes or hangs."""
    done = threading.Event()

    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            for part in parts:
                done.wait(pause_seconds)
                with contextlib.suppress(OSError):
                    connection.sendall(part)
            if hang:
                done.wait()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            done.set()
            thread.join()


def ask(url: str) -> Exchange:
    return HttpClient(url, 1).request("GET", "/", seconds=SECONDS)


def test_an_answer_in_pieces_is_whole() -> None:
    with answering(HEAD, b"ab", b"cd", pause_seconds=0.05) as url:
        assert ask(url) == Exchange(200, b"abcd")


@pytest.mark.parametrize(
    ("parts", "pause_seconds"),
    [((), 0.0), ((HEAD,), 0.4), ((HEAD, b"a"), 0.2), ((HEAD, b"a", b"b", b"c"), 0.2)],
    ids=["says nothing", "stops after the head", "stops within the body", "drips"],
)
def test_an_answer_has_so_long_as_a_whole(parts: tuple[bytes, ...], pause_seconds: float) -> None:
    with answering(*parts, pause_seconds=pause_seconds, hang=True) as url:
        started = time.monotonic()

        with pytest.raises(TimedOut):
            ask(url)

        assert SECONDS - 0.05 < time.monotonic() - started < SECONDS + 0.2


@pytest.mark.parametrize("parts", [(), (HEAD,), (HEAD, b"ab"), (b"noise\r\n\r\n",)])
def test_an_answer_that_breaks_off_is_none(parts: tuple[bytes, ...]) -> None:
    with answering(*parts) as url, pytest.raises(Unreachable):
        ask(url)


def test_a_port_on_which_nobody_listens_is_not_reached() -> None:
    with pytest.raises(Unreachable, match="takes no connection"):
        ask("http://127.0.0.1:9")
