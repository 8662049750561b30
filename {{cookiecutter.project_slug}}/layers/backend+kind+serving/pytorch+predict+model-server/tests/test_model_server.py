"""The model in TorchServe, asked for real."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from model_servers import RunningServer, running_server
from trained import make_model

from service import manifest as manifests
from service.manifest import Arrays
from service.model_server import ModelServer
from service.server_errors import Refused, TimedOut, Unreachable

SECONDS = 20.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("torchserve")
    with running_server(make_model(folder), folder) as server:
        yield server


@pytest.fixture
def client(server: RunningServer) -> Iterator[ModelServer]:
    client = ModelServer(server.as_settings(), server.manifest())
    yield client
    client.close()


@pytest.fixture
def golden(server: RunningServer) -> tuple[Arrays, Arrays]:
    return manifests.read_golden(server.model_dir / "1")


def rows(arrays: Arrays, *numbers: int) -> Arrays:
    return {name: array[list(numbers)] for name, array in arrays.items()}


def test_it_answers_as_the_exported_model_did(
    client: ModelServer, golden: tuple[Arrays, Arrays], server: RunningServer
) -> None:
    inputs, expected = golden
    tolerance = manifests.read(server.model_dir / "1").tolerance

    found = client.predict(inputs, timeout_seconds=SECONDS)

    assert manifests.largest_difference(expected, found) <= tolerance


def test_requests_that_share_a_batch_get_their_own_answers(
    client: ModelServer, golden: tuple[Arrays, Arrays], server: RunningServer
) -> None:
    inputs, expected = golden
    tolerance = manifests.read(server.model_dir / "1").tolerance
    found: dict[int, Arrays] = {}

    def ask(number: int) -> None:
        one = rows(inputs, number)
        found[number] = client.predict(one, timeout_seconds=SECONDS)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for number in range(16):
        difference = manifests.largest_difference(rows(expected, number), found[number])
        assert difference <= tolerance


def test_a_request_that_cannot_be_read_fails_alone(
    client: ModelServer, golden: tuple[Arrays, Arrays]
) -> None:
    one = rows(golden[0], 0)
    failed: list[Exception] = []

    def ask_wrongly() -> None:
        try:
            client.predict({"other": np.zeros(1)}, timeout_seconds=SECONDS)
        except Refused as error:
            failed.append(error)

    wrong = [threading.Thread(target=ask_wrongly) for _ in range(4)]
    for thread in wrong:
        thread.start()
    answers = [client.predict(one, timeout_seconds=SECONDS) for _ in range(4)]
    for thread in wrong:
        thread.join()

    assert len(failed) == 4
    assert len(answers) == 4


@pytest.mark.parametrize(
    ("name", "version", "is_there"), [("default", 1, True), ("default", 7, False), ("o", 1, False)]
)
def test_it_says_which_versions_it_has(
    server: RunningServer, name: str, version: int, *, is_there: bool
) -> None:
    client = ModelServer(server.as_settings(), server.manifest(version, name))

    assert client.is_ready(timeout_seconds=SECONDS) == is_there


def test_a_version_that_it_does_not_have_is_refused(
    server: RunningServer, golden: tuple[Arrays, Arrays]
) -> None:
    with pytest.raises(Refused, match="404"):
        ModelServer(server.as_settings(), server.manifest(7)).predict(
            rows(golden[0], 0), timeout_seconds=SECONDS
        )


def test_who_has_no_token_is_refused(
    server: RunningServer, golden: tuple[Arrays, Arrays], tmp_path: Path
) -> None:
    key_file = tmp_path / "key_file.json"
    key_file.write_text('{"inference": {"key": "guessed"}}')
    settings = server.as_settings().model_copy(update={"model_server_key_file": key_file})

    with pytest.raises(Refused, match="Token Authorization failed"):
        ModelServer(settings, server.manifest()).predict(
            rows(golden[0], 0), timeout_seconds=SECONDS
        )


def test_a_token_that_was_renewed_is_read_again(
    server: RunningServer, golden: tuple[Arrays, Arrays], tmp_path: Path
) -> None:
    key_file = tmp_path / "key_file.json"
    key_file.write_text('{"inference": {"key": "old"}}')
    settings = server.as_settings().model_copy(update={"model_server_key_file": key_file})
    client = ModelServer(settings, server.manifest())
    with pytest.raises(Refused):
        client.predict(rows(golden[0], 0), timeout_seconds=SECONDS)
    key_file.write_bytes((server.state / "key_file.json").read_bytes())

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


def test_a_server_that_is_not_there_is_unreachable(
    server: RunningServer, golden: tuple[Arrays, Arrays]
) -> None:
    settings = server.as_settings().model_copy(update={"model_server_url": "http://127.0.0.1:9"})

    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        ModelServer(settings, server.manifest()).predict(
            rows(golden[0], 0), timeout_seconds=SECONDS
        )
