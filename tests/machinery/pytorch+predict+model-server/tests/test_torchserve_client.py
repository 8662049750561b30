"""What TorchServe's client has to itself: tokens, and requests that cannot be read."""

from pathlib import Path

import numpy as np
import pytest
from model_servers import RunningServer
from server_asks import SECONDS, rows
from together import side_by_side

from service.errors import Refused
from service.manifest import Arrays
from service.model_server import ModelServer

pytest_plugins = ["asked_server", "asked_model"]


def test_a_request_that_cannot_be_read_fails_alone(
    client: ModelServer, golden: tuple[Arrays, Arrays]
) -> None:
    one = rows(golden[0], 0)
    refused: list[int] = []
    answered: list[int] = []

    def ask(number: int) -> None:
        asked = {"other": np.zeros(1)} if number % 2 else one
        try:
            client.predict(asked, timeout_seconds=SECONDS)
            answered.append(number)
        except Refused:
            refused.append(number)

    side_by_side(8, ask)

    assert sorted(answered) == [0, 2, 4, 6]
    assert sorted(refused) == [1, 3, 5, 7]


def test_who_has_no_token_is_refused(
    server: RunningServer, golden: tuple[Arrays, Arrays], tmp_path: Path
) -> None:
    settings = server.with_key(tmp_path / "key_file.json", "guessed")

    with pytest.raises(Refused, match="Token Authorization failed"):
        ModelServer(settings, server.manifest()).predict(
            rows(golden[0], 0), timeout_seconds=SECONDS
        )


def test_a_token_that_was_renewed_is_read_again(
    server: RunningServer, golden: tuple[Arrays, Arrays], tmp_path: Path
) -> None:
    key_file = tmp_path / "key_file.json"
    settings = server.with_key(key_file, "old")
    client = ModelServer(settings, server.manifest())
    with pytest.raises(Refused):
        client.predict(rows(golden[0], 0), timeout_seconds=SECONDS)
    key_file.write_bytes((server.state / "key_file.json").read_bytes())

    client.predict(rows(golden[0], 0), timeout_seconds=SECONDS)
