"""The model behind TensorFlow Serving's two interfaces, which a stand-in speaks."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import stand_in_configs
from model_servers import RunningServer, running_server
from processes import ROOT
from stand_in_models import POISON
from trained import make_model

from service import manifest as manifests
from service.lengths import signature_lengths
from service.manifest import Arrays
from service.model_server import FULL_BATCH, ModelServer
from service.server_errors import (
    Failed,
    Garbage,
    InputFailed,
    Refused,
    ServerError,
    TimedOut,
    Unreachable,
)
from service.task import Parameters

SECONDS = 20.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("serving")
    with running_server(make_model(folder), folder) as server:
        yield server


@pytest.fixture(params=["grpc", "rest"])
def url(request: pytest.FixtureRequest, server: RunningServer) -> str:
    return server.rest_url if request.param == "rest" else server.settings["MODEL_SERVER_URL"]


@pytest.fixture
def client(server: RunningServer, url: str) -> Iterator[ModelServer]:
    client = ModelServer(server.as_settings(url), server.manifest())
    yield client
    client.close()


@pytest.fixture
def golden(server: RunningServer) -> tuple[Arrays, Arrays]:
    return manifests.read_golden(server.model_dir / "1")


def rows(arrays: Arrays, *numbers: int) -> Arrays:
    return {name: array[list(numbers)] for name, array in arrays.items()}


def test_it_answers_as_the_exported_model_did(
    client: ModelServer, golden: tuple[Arrays, Arrays]
) -> None:
    inputs, expected = golden

    found = client.predict(inputs, timeout_seconds=SECONDS)

    assert manifests.largest_difference(expected, found) <= client.manifest.tolerance
    assert {name: array.dtype for name, array in found.items()} == {
        name: array.dtype for name, array in expected.items()
    }


def test_one_input_alone_gets_the_answer_that_it_gets_among_others(
    client: ModelServer, golden: tuple[Arrays, Arrays]
) -> None:
    inputs, expected = golden
    found: dict[int, Arrays] = {}

    def ask(number: int) -> None:
        found[number] = client.predict(rows(inputs, number), timeout_seconds=SECONDS)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for number in range(8):
        difference = manifests.largest_difference(rows(expected, number), found[number])
        assert difference <= client.manifest.tolerance


def test_inputs_of_any_length_are_asked_of_the_signature_of_the_next(
    client: ModelServer, golden: tuple[Arrays, Arrays]
) -> None:
    lengths = signature_lengths(Parameters.model_validate(client.manifest.parameters))
    inputs, _ = golden
    for length in {max(1, each - 1) for each in lengths}:
        cut = {
            name: np.pad(array, [(0, 0), (0, max(0, length - array.shape[1]))])[:2, :length]
            for name, array in inputs.items()
        }
        found = client.predict(cut, timeout_seconds=SECONDS)
        for tensor in client.manifest.signature.outputs:
            shape = [length if size is None else size for size in tensor.shape[1:]]
            assert found[tensor.name].shape == (2, *shape)


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

    with pytest.raises(Refused, match=r"Servable not found for request: Specific\(default, 7\)"):
        client.predict(rows(golden[0], 0), timeout_seconds=SECONDS)


def test_inputs_that_do_not_fit_fail_alone(
    client: ModelServer, golden: tuple[Arrays, Arrays]
) -> None:
    with pytest.raises(InputFailed, match="input size does not match signature"):
        client.transport.predict("serving_default", {"o": np.zeros((1, 2))}, {}, seconds=SECONDS)

    client.predict(rows(golden[0], 0), timeout_seconds=SECONDS)


def test_a_signature_that_it_does_not_have_is_refused(
    client: ModelServer, golden: tuple[Arrays, Arrays]
) -> None:
    with pytest.raises(Refused, match="no_such"):
        client.transport.predict("no_such", rows(golden[0], 0), {}, seconds=SECONDS)


def test_an_input_on_which_the_model_raises_fails_alone(
    server: RunningServer, client: ModelServer, golden: tuple[Arrays, Arrays]
) -> None:
    """TensorFlow Serving fails all that share a run with it."""
    asked = [rows(golden[0], number) for number in range(6)]
    asked[2] = {name: np.full_like(array, POISON) for name, array in asked[2].items()}
    found: dict[int, Arrays | ServerError] = {}

    def ask(number: int) -> None:
        try:
            found[number] = client.predict(asked[number], timeout_seconds=SECONDS)
        except ServerError as error:
            found[number] = error

    server.fail("poison")
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    server.fail("")

    assert isinstance(found[2], InputFailed)
    for number in (0, 1, 3, 4, 5):
        outputs = found[number]
        assert isinstance(outputs, dict)
        difference = manifests.largest_difference(rows(golden[1], number), outputs)
        assert difference <= client.manifest.tolerance


def test_a_batch_that_is_full_is_what_the_server_is_told() -> None:
    told = stand_in_configs.batching(ROOT / "model_server" / "batching.config")

    assert told.max_batch_size.value == FULL_BATCH


@pytest.mark.parametrize(("fault", "kind"), [("error", Failed), ("slow", TimedOut)])
def test_each_fault_has_its_kind_and_passes(
    server: RunningServer,
    client: ModelServer,
    golden: tuple[Arrays, Arrays],
    fault: str,
    kind: type[ServerError],
) -> None:
    one = rows(golden[0], 0)
    server.fail(fault)
    try:
        with pytest.raises(kind):
            client.predict(one, timeout_seconds=0.5 if fault == "slow" else SECONDS)
    finally:
        server.fail("")

    client.predict(one, timeout_seconds=SECONDS)


def test_what_is_no_answer_is_garbage(server: RunningServer, golden: tuple[Arrays, Arrays]) -> None:
    client = ModelServer(server.as_settings(server.rest_url), server.manifest())
    server.fail("garbage")
    try:
        with pytest.raises(Garbage, match="answers no such outputs"):
            client.predict(rows(golden[0], 0), timeout_seconds=SECONDS)
    finally:
        server.fail("")


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


@pytest.mark.parametrize("url", ["grpc://127.0.0.1:9", "http://127.0.0.1:9"])
def test_a_server_that_is_not_there_is_unreachable(
    server: RunningServer, golden: tuple[Arrays, Arrays], url: str
) -> None:
    client = ModelServer(server.as_settings(url), server.manifest())

    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        client.predict(rows(golden[0], 0), timeout_seconds=SECONDS)
