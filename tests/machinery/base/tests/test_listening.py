"""Where a service cannot listen, it says so."""

import socket

import pytest

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
