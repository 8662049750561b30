"""What TensorFlow Serving's client has to itself: signatures, poisoned batches, its errors."""

import numpy as np
import pytest
import stand_in_configs
from model_servers import RunningServer
from processes import ROOT
from server_asks import SECONDS, rows
from stand_in_models import POISON
from together import side_by_side

from model.preprocess import Parameters
from service import manifest as manifests
from service.errors import Failed, Garbage, InputFailed, Refused, ServerError, TimedOut
from service.manifest import Arrays
from service.model_server import FULL_BATCH, ModelServer, signature_lengths

pytest_plugins = ["asked_server", "asked_model"]


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
    side_by_side(6, ask)
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
    client = ModelServer(server.as_settings(server.url_of("rest")), server.manifest())
    server.fail("garbage")
    try:
        with pytest.raises(Garbage, match="answers no such outputs"):
            client.predict(rows(golden[0], 0), timeout_seconds=SECONDS)
    finally:
        server.fail("")
