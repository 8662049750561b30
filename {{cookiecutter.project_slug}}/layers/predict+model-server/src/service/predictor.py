"""The model of one version behind a model server, called with arrays."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from service import manifest as manifests
from service.hosting import PROBE_SECONDS, HostedModel, WrongModel
from service.manifest import Arrays, Tensor
from service.server_errors import Garbage


class Predictor(HostedModel):
    """Answers arrays while the model server does."""

    def run(self, arrays: Sequence[Arrays], *, deadline: float) -> list[Arrays]:
        """The model's outputs for *arrays*, each one input without a batch axis.

        Inputs of equal shapes go to the server together, which shares its batches among all
        requests.

        Args:
            arrays: as the task prepares them, or as a caller sent them.
            deadline: ``time.monotonic()`` when the caller gives up.

        Raises:
            NotReady, QueueFull, DeadlineExceeded, ModelFailed, ModelServerFailed,
            ModelServerUnavailable: as their names say.
        """
        self.check_known()
        found: dict[int, Arrays] = {}
        for numbers in _alike(arrays, self.settings.max_batch_size):
            batch = _stack([arrays[number] for number in numbers])
            outputs = self.upstream.call(partial(self._ask, batch), deadline=deadline)
            for row, number in enumerate(numbers):
                found[number] = {name: array[row] for name, array in outputs.items()}
        return [found[number] for number in range(len(arrays))]

    def check_model(self) -> None:
        """Ask for the golden inputs, and compare, as ``HostedModel`` says."""
        inputs, expected = manifests.read_golden(self.folder)
        size = self.settings.max_batch_size
        batch = {name: array[:size] for name, array in inputs.items()}
        expected = {name: array[:size] for name, array in expected.items()}
        difference = manifests.largest_difference(expected, self._ask(batch, PROBE_SECONDS))
        if difference > self.manifest.tolerance:
            raise WrongModel(
                f"its answers to the golden inputs differ by {difference:.3g}, at most "
                f"{self.manifest.tolerance:.3g} is accepted"
            )

    def _ask(self, batch: Arrays, seconds: float) -> Arrays:
        """Call the server once.

        Raises:
            ServerError: as ``ModelServer.predict`` says.
            Garbage: the answer does not fit the signature.
        """
        outputs = self.server.predict(batch, timeout_seconds=seconds)
        rows = len(next(iter(batch.values())))
        for tensor in self.manifest.signature.outputs:
            _check(tensor, outputs, rows)
        return outputs


def _alike(arrays: Sequence[Arrays], most: int) -> Iterator[list[int]]:
    """Numbers of inputs that can be stacked, at most so many at a time."""
    by_shapes: dict[tuple[tuple[int, ...], ...], list[int]] = {}
    for number, each in enumerate(arrays):
        shapes = tuple(array.shape for array in each.values())
        by_shapes.setdefault(shapes, []).append(number)
    for numbers in by_shapes.values():
        for start in range(0, len(numbers), most):
            yield numbers[start : start + most]


def _stack(arrays: Sequence[Arrays]) -> Arrays:
    return {name: np.stack([each[name] for each in arrays]) for name in arrays[0]}


def _check(tensor: Tensor, outputs: Arrays, rows: int) -> None:
    """See whether *outputs* have *tensor*, for so many rows.

    Raises:
        Garbage: they do not.
    """
    array = outputs.get(tensor.name)
    if array is None:
        raise Garbage(f'the answer has no "{tensor.name}", but {", ".join(outputs) or "nothing"}')
    wanted = (rows, *tensor.shape[1:])
    fits = len(array.shape) == len(wanted) and all(
        size in {None, found} for size, found in zip(wanted, array.shape, strict=True)
    )
    if not fits or array.dtype != tensor.dtype:
        raise Garbage(
            f'"{tensor.name}" is {array.dtype} {array.shape}, {tensor.dtype} {wanted} was expected'
        )
