"""The Open Inference Protocol as its official client speaks it: a process, a real model."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import samples
from backing import backed
from processes import Process, starting
from trained import make_model
from tritonclient.http import (
    InferenceServerClient,
    InferenceServerException,
    InferInput,
    InferRequestedOutput,
)
from tritonclient.utils import np_to_triton_dtype

from model.preprocess import Task
from service import manifest as manifests
from service.manifest import Arrays
from service.settings import Settings


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("client"))


@pytest.fixture(scope="module")
def running(model_dir: Path) -> Iterator[Process]:
    """A service that is ready."""
    folder = model_dir.parent
    with (
        backed(model_dir, folder) as environment,
        starting(model_dir, folder, environment=environment) as start,
    ):
        running = start()
        running.wait_until_ready()
        yield running


@pytest.fixture
def client(running: Process) -> Iterator[InferenceServerClient]:
    with InferenceServerClient(f"127.0.0.1:{running.port}") as client:
        yield client


@pytest.fixture(scope="module")
def task(model_dir: Path) -> Task:
    folder = model_dir / "1"
    return Task(folder, manifests.read(folder), Settings())


def batch_of_one(arrays: Arrays, *, is_binary: bool) -> list[InferInput]:
    tensors = []
    for name, array in arrays.items():
        tensor = InferInput(name, [1, *array.shape], np_to_triton_dtype(array.dtype))
        tensors.append(tensor.set_data_from_numpy(array[np.newaxis], binary_data=is_binary))
    return tensors


def test_the_server_and_the_model_are_found(client: InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("default")
    assert client.is_model_ready("default", "1")
    assert not client.is_model_ready("default", "2")
    assert not client.is_model_ready("other")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]


def test_the_model_is_described(client: InferenceServerClient, model_dir: Path) -> None:
    manifest = manifests.read(model_dir / "1")

    metadata = client.get_model_metadata("default", "1")

    assert metadata == client.get_model_metadata("default")
    assert metadata["versions"] == ["1"]
    assert metadata["platform"].endswith(f"_{manifest.artefacts[0].format}")
    names = [tensor.name for tensor in manifest.signature.inputs]
    assert [tensor["name"] for tensor in metadata["inputs"]] == names


@pytest.mark.parametrize("is_binary", [True, False])
def test_the_model_answers_as_it_does_to_predict(
    client: InferenceServerClient, running: Process, task: Task, *, is_binary: bool
) -> None:
    prepared = task.preprocess(samples.VALUE)
    names = [tensor["name"] for tensor in client.get_model_metadata("default")["outputs"]]
    in_json = [InferRequestedOutput(name, binary_data=False) for name in names]

    result = client.infer(
        "default",
        batch_of_one(prepared.arrays, is_binary=is_binary),
        outputs=None if is_binary else in_json,  # all in bytes where none is named
        request_id="42",
    )

    prediction = task.postprocess(prepared, {name: result.as_numpy(name)[0] for name in names})
    status, answer = running.ask("POST", samples.ROUTE, samples.RAW)
    assert status == http.client.OK
    assert json.loads(answer) == {
        **prediction.model_dump(mode="json"),
        "model": {"name": "default", "version": 1},
    }
    assert result.get_response()["id"] == "42"


def test_the_client_may_ask_for_a_compressed_answer(
    client: InferenceServerClient, task: Task
) -> None:
    tensors = batch_of_one(task.preprocess(samples.VALUE).arrays, is_binary=True)

    assert client.infer("default", tensors, response_compression_algorithm="gzip").get_response()


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        ({"model_name": "other"}, "404", "There is no model 'other'"),
        ({"inputs": []}, "422", "inputs: missing"),
        ({"request_compression_algorithm": "gzip"}, "415", "Content-Encoding is gzip"),
    ],
)
def test_the_client_reads_our_errors(
    client: InferenceServerClient, task: Task, options: dict[str, Any], status: str, message: str
) -> None:
    tensors = batch_of_one(task.preprocess(samples.VALUE).arrays, is_binary=True)

    with pytest.raises(InferenceServerException, match=message) as caught:
        client.infer(**{"model_name": "default", "inputs": tensors, **options})

    assert caught.value.status() == status
