"""Greedy texts of served checkpoints are those of transformers, whatever the mask."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from references import FAMILIES, LENGTHS, NEW_TOKENS, greedy, prompt_of, write

from service import runtime
from service.lifecycle.engine import EXPORTERS
from service.lifecycle.source import Source, resolve
from service.lifecycle.start import from_checkpoint
from service.manifest import Artefact, Manifest
from service.model import Model

PREFILL = 48
"""Tokens of a prompt that are read at a time, so that long ones take several steps."""


def serve(checkpoint: Path, folder: Path) -> Model:
    """The model of *checkpoint* in the format that is served, with a row for each prompt."""
    parameters = from_checkpoint(resolve(str(checkpoint))).parameters
    signature = parameters.signature()
    format_name, (path, save) = next(iter(EXPORTERS.items()))
    folder.mkdir()
    network = Source(base_model=str(checkpoint)).network(parameters, 0)
    save(network, parameters, signature, folder / path)
    facts: dict[str, Any] = {"signature": signature}
    manifest = Manifest.model_construct(**facts)
    artefact = Artefact(format=format_name, path=path)
    graph = runtime.load_graph(folder, manifest, artefact, threads=1)
    return Model(graph, signature, len(LENGTHS), parameters.context_length)


@pytest.mark.parametrize("family", FAMILIES)
def test_forty_tokens_are_those_of_transformers(family: str, tmp_path: Path) -> None:
    checkpoint = tmp_path / family
    checkpoint.mkdir()
    write(checkpoint, family)
    model = serve(checkpoint, tmp_path / "served")

    found = np.zeros((NEW_TOKENS, len(LENGTHS)), np.int64)
    logits = np.zeros((len(LENGTHS), model.vocabulary_size), np.float32)
    for row, length in enumerate(LENGTHS):
        prompt = prompt_of(length)
        for read in range(0, length, PREFILL):
            logits[row] = model.step(row, prompt[None, read : read + PREFILL], np.array([read]))[0]
    for index in range(NEW_TOKENS):
        found[index] = logits.argmax(axis=1)
        logits = model.step(0, found[index][:, None], np.array(LENGTHS) + index)

    for length, tokens in zip(LENGTHS, found.T.tolist(), strict=True):
        assert tokens == greedy(checkpoint, family, length), f"a prompt of {length}"
