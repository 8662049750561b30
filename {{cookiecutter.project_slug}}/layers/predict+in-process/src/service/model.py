"""Arrays -> arrays: the model of one version, loaded from disk into this process."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from service import manifest as manifests
from service import runtime
from service.manifest import Arrays, Manifest


class LoadedModel(Protocol):
    """A model that is ready to run."""

    def predict(self, inputs: Sequence[Arrays]) -> list[Arrays]:
        """The outputs for each of *inputs*."""


class Model:
    """Runs batches through one artefact.

    Args:
        folder: the version's folder.
        manifest: its manifest.
        format_name: which artefact; the manifest's first when ``None``.
        threads: threads for one inference.

    Raises:
        OwnerError: the artefact is missing, changed since its export, cannot be loaded, or does
            not give the golden outputs.
    """

    def __init__(
        self, folder: Path, manifest: Manifest, *, format_name: str | None, threads: int
    ) -> None:
        artefact = manifest.artefact(format_name)
        manifests.check_files(folder, manifest, below=artefact.path)
        manifests.check_files(folder, manifest, below=manifests.GOLDEN)
        self._input_names = [tensor.name for tensor in manifest.signature.inputs]
        self._predict = runtime.load(folder, manifest, artefact, threads)
        manifests.check_golden(folder, manifest, artefact, self._predict)
        inputs, _ = manifests.read_golden(folder)
        self._predict({name: array[:1] for name, array in inputs.items()})  # warm for a lone input

    def predict(self, inputs: Sequence[Arrays]) -> list[Arrays]:
        """The outputs for each of *inputs*, which have equal shapes.

        Args:
            inputs: named arrays of one input each, without a batch axis.

        Returns:
            Named arrays of one output each, in the same order.
        """
        batch = {name: np.stack([each[name] for each in inputs]) for name in self._input_names}
        outputs = self._predict(batch)
        return [{name: array[i] for name, array in outputs.items()} for i in range(len(inputs))]
