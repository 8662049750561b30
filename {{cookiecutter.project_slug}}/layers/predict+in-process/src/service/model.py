"""Arrays -> arrays: the model of one version, loaded from disk into this process."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from service import manifest as manifests
from service import runtime
from service.errors import OwnerError
from service.logs import log
from service.manifest import Arrays, Manifest


class LoadModel(Protocol):
    """Makes a model from a version's folder; the class ``Model`` is one."""

    def __call__(
        self, folder: Path, manifest: Manifest, *, format_name: str | None, threads: int
    ) -> "LoadedModel":
        """Load the artefact in *format_name* and warm it."""


class LoadedModel(Protocol):
    """A model that is ready to run."""

    format_name: str

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
        self.format_name = artefact.format
        self._path = folder / artefact.path
        manifests.check_files(folder, manifest, below=artefact.path)
        manifests.check_files(folder, manifest, below=manifests.GOLDEN)
        self._input_names = [tensor.name for tensor in manifest.signature.inputs]
        self._predict = runtime.load(folder, manifest, artefact, threads)
        self._check(folder, manifest)

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

    def _check(self, folder: Path, manifest: Manifest) -> None:
        """Run the golden inputs: warms the model and shows that it still answers as exported."""
        inputs, expected = manifests.read_golden(folder)
        difference = manifests.largest_difference(expected, self._predict(inputs))
        if difference > manifest.tolerance:
            raise OwnerError(
                f'"{self._path}" differs from the exported model by {difference} '
                f"on its golden inputs; at most {manifest.tolerance} is accepted. Export it again "
                f'on this kind of machine with "make model".'
            )
        first = {name: array[:1] for name, array in inputs.items()}
        self._predict(first)
        log.info("model_loaded", format=self.format_name, largest_difference=difference)


def kind(arrays: Arrays) -> tuple[tuple[int, ...], ...]:
    """The shapes of one input; inputs of one kind can be stacked."""
    return tuple(array.shape for array in arrays.values())
