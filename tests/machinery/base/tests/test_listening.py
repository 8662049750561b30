"""Where a service cannot listen, it says so; and a socket that does not wait."""

import contextlib
import http.client
import socket
import time
from pathlib import Path

import pytest
from served import serving

from service.errors import OwnerError
from service.server import listen


def test_a_port_that_is_taken_is_named_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OwnerError) as refused:
            listen("127.0.0.1", port)

    assert str(refused.value) == (
        f"HOST is 127.0.0.1 and PORT is {port}, where this process cannot listen: Address already "
        "in use. Set others, or stop what listens there."
    )


def test_the_end_of_an_answer_does_not_wait_for_its_head(tmp_path: Path) -> None:
    with (
        serving(tmp_path) as served,
        contextlib.closing(http.client.HTTPConnection("127.0.0.1", served.port)) as connection,
    ):
        started = time.monotonic()
        for _ in range(20):
            connection.request("GET", "/livez")
            connection.getresponse().read()

    assert time.monotonic() - started < 0.5  # a system acknowledges a head after 40 ms
