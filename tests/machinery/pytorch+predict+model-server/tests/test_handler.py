"""What TorchServe runs, called as its worker calls it."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import samples
from fake_version import write_fake_version
from golden import golden
from processes import ROOT
from safetensors.numpy import load, save

from service import logs, runtime
from service.manifest import Arrays

POISON = 99
"""A number on which the network raises."""
BAD_REQUEST, FAILED, OK = HTTPStatus.BAD_REQUEST, HTTPStatus.FAILED_DEPENDENCY, HTTPStatus.OK


class FakeContext:
    """What a worker tells the handler, and hears from it."""

    def __init__(self, folder: Path, most: int) -> None:
        self.system_properties = {"model_dir": str(folder)}
        self.model_yaml_config = {"handler": {"maxRows": most}}
        self.statuses: dict[int, int] = {}

    def set_response_status(self, code: int, _phrase: str, number: int) -> None:
        self.statuses[number] = code

    def set_response_content_type(self, number: int, value: str) -> None:
        assert (number in self.statuses, value) == (True, "application/octet-stream")


class FakeNetwork:
    """Scores rows as the fake model does, and remembers how many it was given at a time."""

    def __init__(self) -> None:
        self.runs: list[int] = []

    def __call__(self, batch: Arrays) -> Arrays:
        rows = len(next(iter(batch.values())))
        self.runs.append(rows)
        inputs = [{name: array[row] for name, array in batch.items()} for row in range(rows)]
        if any((array == POISON).any() for array in batch.values()):
            raise RuntimeError("poisoned")
        outputs = [samples.outputs(each) for each in inputs]
        return {name: np.stack([each[name] for each in outputs]) for name in outputs[0]}


@dataclass
class Worker:
    """Calls a handler of its own."""

    handle: Callable[[list[dict[str, Any]] | None, FakeContext], list[bytes] | None]
    context: FakeContext
    network: FakeNetwork

    def ask(self, *bodies: bytes) -> list[tuple[int, bytes]]:
        return self.ask_in_parts([{"body": body} for body in bodies])

    def ask_in_parts(self, requests: list[dict[str, Any]]) -> list[tuple[int, bytes]]:
        answers = self.handle(requests, self.context)
        assert answers is not None
        return [(self.context.statuses[number], answer) for number, answer in enumerate(answers)]


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    network = FakeNetwork()
    monkeypatch.setattr(runtime, "load", lambda *_: network)
    monkeypatch.setattr(logs, "configure_logs", lambda *_: None)
    spec = spec_from_file_location("handler", ROOT / "model_server" / "predict_handler.py")
    assert spec is not None
    assert spec.loader is not None
    handler = module_from_spec(spec)
    spec.loader.exec_module(handler)
    context = FakeContext(write_fake_version(tmp_path / "default"), most=4)
    assert handler.handle(None, context) is None
    network.runs.clear()  # it was warmed
    return Worker(handler.handle, context, network)


def batch(rows: int = 1) -> Arrays:
    inputs, _ = golden()
    return {name: np.repeat(array[:1], rows, axis=0) for name, array in inputs.items()}


def poisoned() -> Arrays:
    return {name: np.full_like(array, POISON) for name, array in batch().items()}


def test_requests_share_a_run_and_each_gets_its_own_rows(worker: Worker) -> None:
    _, expected = golden()

    (_, one), (_, three) = worker.ask(save(batch(1)), save(batch(3)))

    assert worker.network.runs == [4]
    for name, array in expected.items():
        np.testing.assert_array_equal(load(one)[name], array[:1])
        np.testing.assert_array_equal(load(three)[name], np.repeat(array[:1], 3, axis=0))


def test_a_run_has_so_many_rows_and_no_more_but_for_a_request_alone(worker: Worker) -> None:
    answers = worker.ask(*(save(batch(rows)) for rows in (2, 2, 1, 7)))

    assert worker.network.runs == [4, 1, 7]
    assert [len(next(iter(load(answer).values()))) for _, answer in answers] == [2, 2, 1, 7]


def test_a_poisoned_request_fails_alone(worker: Worker) -> None:
    answers = worker.ask(save(batch()), save(poisoned()), save(batch()))

    assert [status for status, _ in answers] == [OK, FAILED, OK]
    assert worker.network.runs == [3, 1, 1, 1]  # together at first


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"\xff" * 100,
        save({"other": np.zeros(1)}),
        save({name: np.array(1.0) for name in batch()}),
    ],
    ids=["empty", "JSON", "noise", "other names", "no rows"],
)
def test_a_body_that_cannot_be_read_fails_alone(worker: Worker, body: bytes) -> None:
    answers = worker.ask(body, save(batch()))

    assert [status for status, _ in answers] == [BAD_REQUEST, OK]


def test_a_request_without_a_body_fails_alone(worker: Worker) -> None:
    answers = worker.ask_in_parts([{"data": b"a form"}, {"body": save(batch())}])

    assert [status for status, _ in answers] == [BAD_REQUEST, OK]


def test_inputs_of_other_shapes_run_apart(worker: Worker) -> None:
    wide = {name: np.concatenate([array, array], axis=1) for name, array in batch().items()}

    answers = worker.ask(save(batch()), save(wide), save(batch()))

    assert worker.network.runs == [2, 1]
    assert [status for status, _ in answers] == [OK] * 3
