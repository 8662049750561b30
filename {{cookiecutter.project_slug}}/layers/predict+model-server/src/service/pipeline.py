"""Joins task and model server: values in, predictions out.

Preprocessing and postprocessing run in the request's thread, the model in the server.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import numpy as np

from service import manifest as manifests
from service.errors import BadValue, DeadlineExceeded, FieldError, InvalidInput
from service.logs import log
from service.manifest import Arrays, Manifest, ModelVersion, Tensor
from service.metrics import Metrics
from service.model_server import ModelServer
from service.owner import Prediction, Prepared, Task
from service.server_errors import Garbage
from service.settings import Settings
from service.upstream import PROBE_SECONDS, Server, Upstream, Watch, WrongModel


class PredictingServer(Server, Protocol):
    """A client of a model server that predicts."""

    def predict(self, batch: Arrays, *, timeout_seconds: float) -> Arrays:
        """The outputs for *batch*, with its leading axis.

        Raises:
            ServerError: there is no answer within the time, or it is none.
        """


class Pipeline:
    """Predicts with one version of a model, while the model server does.

    Args:
        settings: which version, and where the server is.
        metrics: where it counts.
        on_failure: told once when a bug has ended the watch over the server.
        connect: makes the server's client.

    Raises:
        OwnerError: there is no such version.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        on_failure: Callable[[Exception], None],
        connect: Callable[[Settings, Manifest], PredictingServer] = ModelServer,
    ) -> None:
        self.folder = manifests.find_version(settings.model_dir, settings.model_version)
        self.manifest = manifests.read(self.folder)
        self.format_name = self.manifest.artefacts[0].format
        self.task = Task(self.folder, self.manifest, settings)
        self.server = connect(settings, self.manifest)
        self.is_draining = False
        self._metrics = metrics
        self._preprocessing = threading.BoundedSemaphore(settings.max_preprocessing)
        self._max_batch_size = settings.max_batch_size
        self._upstream = Upstream(
            metrics,
            failures=settings.circuit_failures,
            patience_seconds=settings.request_timeout_seconds / 2,
        )
        self._watch = Watch(
            self.folder,
            self.manifest,
            metrics,
            self._upstream,
            server=self.server,
            check_model=self._check_model,
            on_failure=on_failure,
        )

    @property
    def model_version(self) -> ModelVersion:
        """Which model answers."""
        return self.manifest.model_version

    def start(self) -> None:
        """Begin to watch over the server; returns at once."""
        self._watch.start()

    def drain(self) -> None:
        """Say "not ready" from now on, but go on answering."""
        self.is_draining = True
        log.info("draining")

    def close(self) -> None:
        """Stop calling the server."""
        self._watch.close()
        self.server.close()

    @property
    def is_live(self) -> bool:
        """The watch over the server goes on, whatever it finds."""
        return self._watch.is_live

    @property
    def is_ready(self) -> bool:
        """The server has the right model and is well, and the service is not about to stop."""
        return self._watch.is_ready and not self.is_draining

    def predict(
        self, values: Sequence[bytes | str], names: Sequence[str], *, timeout_seconds: float
    ) -> list[Prediction]:
        """Predict all *values* of one request.

        Args:
            values: what the task reads.
            names: where in the request each stands, for errors.
            timeout_seconds: how long the caller waits.

        Raises:
            InvalidInput: one or more cannot be read; names each.
            NotReady, QueueFull, DeadlineExceeded, ModelFailed, ModelServerFailed,
            ModelServerUnavailable: as their names say.
        """
        deadline = time.monotonic() + timeout_seconds
        with self._metrics.preprocess_seconds.time():
            prepared = self._preprocess(values, names, deadline)
        outputs = self.run([each.arrays for each in prepared], deadline=deadline)
        return [
            self.task.postprocess(each, output)
            for each, output in zip(prepared, outputs, strict=True)
        ]

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
        self._watch.check()
        found: dict[int, Arrays] = {}
        for numbers in _alike(arrays, self._max_batch_size):
            batch = _stack([arrays[number] for number in numbers])
            with self._upstream.call(deadline) as seconds:
                outputs = self._call(batch, seconds)
            for row, number in enumerate(numbers):
                found[number] = {name: array[row] for name, array in outputs.items()}
        return [found[number] for number in range(len(arrays))]

    def _preprocess(
        self, values: Sequence[bytes | str], names: Sequence[str], deadline: float
    ) -> list[Prepared]:
        try:
            with self._turn(deadline):
                self.task.check_request(values)
        except BadValue as error:
            raise InvalidInput.of("body", str(error)) from None
        prepared, wrong = [], []
        for name, value in zip(names, values, strict=True):
            try:
                with self._turn(deadline):
                    prepared.append(self.task.preprocess(value))
            except BadValue as error:
                wrong.append(FieldError(name, str(error)))
        if wrong:
            raise InvalidInput(f"{wrong[0].field}: {wrong[0].detail}", fields=wrong)
        return prepared

    @contextmanager
    def _turn(self, deadline: float) -> Iterator[None]:
        left = deadline - time.monotonic()
        if left <= 0 or not self._preprocessing.acquire(timeout=left):
            raise DeadlineExceeded("No answer in the time that the caller waits.")
        try:
            yield
        finally:
            self._preprocessing.release()

    def _check_model(self) -> None:
        """Compare the server's answers to the golden inputs, as ``Watch`` says."""
        inputs, expected = manifests.read_golden(self.folder)
        batch = {name: array[: self._max_batch_size] for name, array in inputs.items()}
        expected = {name: array[: self._max_batch_size] for name, array in expected.items()}
        difference = manifests.largest_difference(expected, self._call(batch, PROBE_SECONDS))
        if difference > self.manifest.tolerance:
            raise WrongModel(
                f"its answers to the golden inputs differ by {difference:.3g}, at most "
                f"{self.manifest.tolerance:.3g} is accepted"
            )

    def _call(self, batch: Arrays, seconds: float) -> Arrays:
        """Call the server.

        Raises:
            ServerError: as ``Server.predict`` says.
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
    """Check that *outputs* have *tensor*, for so many rows.

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
