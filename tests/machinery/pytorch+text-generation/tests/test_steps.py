"""An ONNX step that writes keys and values where they lie answers as the network does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from references import FAMILIES, LENGTHS, NEW_TOKENS, greedy, prompt_of, write

from model.network import Network
from model.preprocess import Parameters
from service import runtime
from service.lifecycle.engine import EXPORTERS
from service.lifecycle.source import Source, resolve
from service.lifecycle.start import from_checkpoint
from service.manifest import Artefact, Manifest
from service.model import Model
from service.runtime import Graph
from service.steps import Pages, Steps

PREFILL = 48
"""Tokens of a prompt that are read at a time."""
MIB = 2**20


@dataclass(frozen=True)
class Known:
    """A checkpoint as a network, and as the graph of its ONNX step."""

    family: str
    checkpoint: Path
    network: Network
    parameters: Parameters
    graph: Graph

    def model(self, rows: int) -> Model:
        return Model(self.graph, self.parameters.signature(), rows, self.parameters.context_length)


@pytest.fixture(scope="module", params=FAMILIES)
def known(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Known:
    checkpoint = tmp_path_factory.mktemp(request.param)
    write(checkpoint, request.param)
    parameters = from_checkpoint(resolve(str(checkpoint))).parameters
    network = Source(base_model=str(checkpoint)).network(parameters, 0)
    graph = exported(network, parameters, checkpoint)
    return Known(request.param, checkpoint, network, parameters, graph)


def exported(network: Network, parameters: Parameters, folder: Path) -> Graph:
    """The ONNX step of *network*, loaded."""
    signature = parameters.signature()
    path, save = EXPORTERS["onnx"]
    save(network, parameters, signature, folder / path)
    facts: dict[str, Any] = {"signature": signature}
    artefact = Artefact(format="onnx", path=path)
    return runtime.load_graph(folder, Manifest.model_construct(**facts), artefact, threads=1)


def a_step(parameters: Parameters) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Three tokens of each of four rows, which have read more and less."""
    random = torch.Generator().manual_seed(0)
    shape = (4, parameters.layers, 2, 6, parameters.heads, parameters.head_size)
    tokens = torch.randint(0, parameters.vocabulary_size, (4, 3), generator=random)
    return tokens, torch.tensor([6, 2, 0, 5]), torch.randn(shape, generator=random)


def test_forty_tokens_beside_others_are_those_of_transformers(known: Known) -> None:
    assert isinstance(known.graph, Steps)
    model = known.model(len(LENGTHS))

    found = np.zeros((NEW_TOKENS, len(LENGTHS)), np.int64)
    logits = np.zeros((len(LENGTHS), model.vocabulary_size), np.float32)
    for row, length in enumerate(LENGTHS):
        prompt = prompt_of(length)
        for at in range(0, length, PREFILL):
            logits[row] = model.step(row, prompt[None, at : at + PREFILL], np.array([at]))[0]
    for index in range(NEW_TOKENS):
        found[index] = logits.argmax(axis=1)
        logits = model.step(0, found[index][:, None], np.array(LENGTHS) + index)

    for length, tokens in zip(LENGTHS, found.T.tolist(), strict=True):
        expected = greedy(known.checkpoint, known.family, length)
        assert tokens == expected, f"a prompt of {length}"


def test_steps_have_the_signature_of_the_network(known: Known) -> None:
    several = a_step(known.parameters)
    one_token = (several[0][:, :1], *several[1:])

    for inputs in (several, one_token):
        assert_equal(known.graph(*arrays(inputs)), answers(known.network, inputs))


def test_a_row_is_moved_and_another_one_forgotten(known: Known) -> None:
    model = known.model(3)
    tokens = prompt_of(12)[None]
    expected = model.step(0, tokens, np.array([0]))
    model.step(2, tokens[:, :-1], np.array([0]))

    model.move(2, 0, 11)
    model.forget(2)

    assert model.step(0, tokens[:, -1:], np.array([11])) == pytest.approx(expected, abs=1e-4)


def test_attention_of_another_kind_is_exported_as_a_step_without_memory(tmp_path: Path) -> None:
    write(tmp_path, "llama")
    parameters = from_checkpoint(resolve(str(tmp_path))).parameters
    network = Source(base_model=str(tmp_path)).network(parameters, 0)
    network.model.set_attn_implementation("eager")
    inputs = a_step(parameters)

    graph = exported(network, parameters, tmp_path)

    assert not isinstance(graph, Steps)
    assert_equal(graph(*arrays(inputs)), answers(network, inputs))


def arrays(tensors: tuple[torch.Tensor, ...]) -> list[Any]:
    return [each.numpy() for each in tensors]


def answers(network: Network, inputs: tuple[torch.Tensor, ...]) -> Any:
    with torch.inference_mode():
        return network(*inputs)


def assert_equal(answered: Any, expected: Any) -> None:
    for found, wanted in zip(answered, expected, strict=True):
        assert torch.allclose(torch.from_numpy(found), wanted, atol=1e-4)


def test_memory_is_taken_as_rows_are_written_and_given_back() -> None:
    before = resident_bytes()
    pages = Pages((8, 16 * MIB // 4))
    assert resident_bytes() - before < 8 * MIB

    pages.array[:4] = 1
    assert resident_bytes() - before > 60 * MIB
    for row in range(1, 4):
        pages.give_back(row)

    assert resident_bytes() - before < 24 * MIB
    assert pages.array[0].min() == 1
    assert pages.array[1].max() == 0


def test_rows_that_are_no_whole_pages_keep_what_they_have_when_another_is_given_back() -> None:
    pages = Pages((4, 1500))
    pages.array[:] = 1

    pages.give_back(0)
    pages.give_back(2)

    assert pages.array[[1, 3]].min() == 1
    assert pages.array.min() == 0


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
