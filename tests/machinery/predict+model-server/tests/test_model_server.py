"""The client of the model server, by each of its interfaces: right answers, and none."""

import time

import pytest
from model_servers import NOT_THERE, RunningServer
from server_asks import SECONDS, rows
from together import side_by_side

from service import manifest as manifests
from service.errors import Refused, TimedOut, Unreachable
from service.manifest import Arrays
from service.model_server import ModelServer

pytest_plugins = ["asked_server", "asked_model"]


def test_it_answers_as_the_exported_model_did(
    client: ModelServer, golden: tuple[Arrays, Arrays], server: RunningServer
) -> None:
    inputs, expected = golden

    found = client.predict(inputs, timeout_seconds=SECONDS)

    assert manifests.largest_difference(expected, found) <= server.manifest().tolerance
    assert {name: array.dtype for name, array in found.items()} == {
        name: array.dtype for name, array in expected.items()
    }


def test_one_input_alone_gets_the_answer_that_it_gets_among_others(
    client: ModelServer, golden: tuple[Arrays, Arrays], server: RunningServer
) -> None:
    inputs, expected = golden
    found: dict[int, Arrays] = {}

    def ask(number: int) -> None:
        found[number] = client.predict(rows(inputs, number), timeout_seconds=SECONDS)

    side_by_side(16, ask)

    for number in range(16):
        difference = manifests.largest_difference(rows(expected, number), found[number])
        assert difference <= server.manifest().tolerance


@pytest.mark.parametrize(
    ("name", "version", "is_there"), [("default", 1, True), ("default", 7, False), ("o", 1, False)]
)
def test_it_says_which_versions_it_has(
    server: RunningServer, url: str, name: str, version: int, *, is_there: bool
) -> None:
    client = ModelServer(server.as_settings(url), server.manifest(version, name))

    assert client.is_ready(timeout_seconds=SECONDS) == is_there


def test_a_version_that_it_does_not_have_is_refused(
    server: RunningServer, url: str, golden: tuple[Arrays, Arrays]
) -> None:
    client = ModelServer(server.as_settings(url), server.manifest(7))

    with pytest.raises(Refused, match="7"):
        client.predict(rows(golden[0], 0), timeout_seconds=SECONDS)


def test_a_server_that_hangs_is_waited_for_so_long_and_no_longer(
    server: RunningServer, client: ModelServer, golden: tuple[Arrays, Arrays]
) -> None:
    one = rows(golden[0], 0)
    server.hang()
    started = time.monotonic()
    try:
        with pytest.raises(TimedOut):
            client.predict(one, timeout_seconds=0.5)
    finally:
        server.go_on()

    assert 0.4 < time.monotonic() - started < 3
    client.predict(one, timeout_seconds=SECONDS)


@pytest.mark.parametrize("nowhere", NOT_THERE)
def test_a_server_that_is_not_there_is_unreachable(
    server: RunningServer, golden: tuple[Arrays, Arrays], nowhere: str
) -> None:
    client = ModelServer(server.as_settings(nowhere), server.manifest())

    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        client.predict(rows(golden[0], 0), timeout_seconds=SECONDS)
