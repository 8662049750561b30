"""Tokens -> logits: the model of one version, loaded from disk into this process."""

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from service import manifest as manifests
from service import runtime
from service.cache import KeyValueCache
from service.errors import OwnerError
from service.logs import log
from service.manifest import Manifest
from service.rows import Decoder


class LoadModel(Protocol):
    """Makes a model from a version's folder; the class ``Model`` is one."""

    def __call__(
        self,
        folder: Path,
        manifest: Manifest,
        *,
        format_name: str | None,
        threads: int,
        rows: int,
        context_tokens: int,
    ) -> "LoadedModel":
        """Load the artefact in *format_name* and warm it."""


class LoadedModel(Decoder, Protocol):
    """A model that is ready to run."""

    format_name: str


class Model:
    """Runs steps of several sequences through one artefact.

    Args:
        folder: the version's folder.
        manifest: its manifest.
        format_name: which artefact; the manifest's first when ``None``.
        threads: threads for one inference.
        rows: most sequences side by side.
        context_tokens: most tokens of one sequence.

    Raises:
        OwnerError: the artefact is missing, changed since its export, cannot be loaded, or does
            not give the golden outputs.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        *,
        format_name: str | None,
        threads: int,
        rows: int,
        context_tokens: int,
    ) -> None:
        artefact = manifest.artefact(format_name)
        self.format_name = artefact.format
        self.vocabulary_size = int(manifest.signature.outputs[0].shape[-1] or 0)
        self._path = folder / artefact.path
        manifests.check_files(folder, manifest, below=artefact.path)
        manifests.check_files(folder, manifest, below=manifests.GOLDEN)
        graph = runtime.load_graph(folder, manifest, artefact, threads)
        self._check(folder, manifest, runtime.predictor(graph, manifest.signature))
        self._cache = KeyValueCache(graph, manifest.signature, rows, context_tokens)
        self._warm(rows)

    def step(
        self, first_row: int, tokens: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Read some tokens of adjacent rows, as ``Decoder`` says."""
        return self._cache.step(first_row, tokens, lengths)

    def move(self, source: int, target: int, length: int) -> None:
        """Let the row *target* have read what *source* has, *length* tokens."""
        self._cache.move(source, target, length)

    def _check(self, folder: Path, manifest: Manifest, predict: runtime.Predict) -> None:
        """Run the golden inputs: shows that the model still answers as exported."""
        inputs, expected = manifests.read_golden(folder)
        difference = manifests.largest_difference(expected, predict(inputs))
        if difference > manifest.tolerance:
            raise OwnerError(
                f'"{self._path}" differs from the exported model by {difference} '
                f"on its golden inputs; at most {manifest.tolerance} is accepted. Export it again "
                f'on this kind of machine with "make model".'
            )
        log.info("model_loaded", format=self.format_name, largest_difference=difference)

    def _warm(self, rows: int) -> None:
        """Read a prompt in one row, and one token in each: the first of both takes longer."""
        self.step(0, np.zeros((1, 2), np.int64), np.zeros(1, np.int64))
        self.step(0, np.zeros((rows, 1), np.int64), np.zeros(rows, np.int64))
