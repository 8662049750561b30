# only: predict
"""What TorchServe runs: batches of many requests through the model.

TorchServe's worker calls :func:`handle` with the requests that share a batch. Each is a batch of
its own, as safetensors; an answer is the same.
"""

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from service import manifest as manifests
from service import runtime
from service.logs import configure_logs, log
from service.manifest import Arrays
from service.threads import available_cpus


class Handler:
    """The model of one version, from the folder of an archive; *most* rows share a run of it."""

    def __init__(self, folder: Path, most: int) -> None:
        facts = manifests.read(folder)
        artefact = facts.artefacts[0]
        manifests.check_files(folder, facts, below=artefact.path)
        self._most = most
        self._input_names = [tensor.name for tensor in facts.signature.inputs]
        self._predict = runtime.load(folder, facts, artefact, available_cpus())
        inputs, _ = manifests.read_golden(folder)
        self._predict({name: array[:1] for name, array in inputs.items()})  # warm

    def answer(self, bodies: Sequence[bytes]) -> list[tuple[HTTPStatus, bytes]]:
        """An answer for each of *bodies*; one that cannot be read or run fails alone."""
        answers: list[tuple[HTTPStatus, bytes]] = [(HTTPStatus.BAD_REQUEST, b"")] * len(bodies)
        batches: dict[int, Arrays] = {}
        for number, body in enumerate(bodies):
            try:
                batches[number] = self._read(body)
            except (SafetensorError, KeyError, TypeError, ValueError) as error:
                answers[number] = (HTTPStatus.BAD_REQUEST, repr(error).encode())
        for numbers in _alike(batches, self._most):
            together = [batches[number] for number in numbers]
            for number, answer in zip(numbers, self._run(together), strict=True):
                answers[number] = answer
        return answers

    def _read(self, body: bytes) -> Arrays:
        arrays = load(body)
        batch = {name: arrays[name] for name in self._input_names}
        if len({len(array) for array in batch.values()}) != 1:
            raise ValueError("the inputs have not the same number of rows")
        return batch

    def _run(self, batches: Sequence[Arrays]) -> list[tuple[HTTPStatus, bytes]]:
        """Run *batches* as one; if that fails, each alone."""
        whole = {
            name: np.concatenate([batch[name] for batch in batches]) for name in self._input_names
        }
        try:
            outputs = self._predict(whole)
        except Exception:  # noqa: BLE001  # a model may raise anything
            log.exception("batch_failed", requests=len(batches))
            if len(batches) == 1:
                return [(HTTPStatus.FAILED_DEPENDENCY, b"the model raised on this input")]
            return [answer for batch in batches for answer in self._run([batch])]
        ends = np.cumsum([len(batch[self._input_names[0]]) for batch in batches])[:-1]
        parts = {name: np.split(array, ends) for name, array in outputs.items()}
        return [
            (HTTPStatus.OK, save({name: np.ascontiguousarray(parts[name][i]) for name in parts}))
            for i in range(len(batches))
        ]


_handlers: dict[str, Handler] = {}


def handle(data: Sequence[dict[str, Any]] | None, context: Any) -> list[bytes] | None:
    """Answer the requests in *data*; TorchServe's entry point, called with none to load the model.

    Args:
        data: for each request its ``body``.
        context: TorchServe's; says where the archive was unpacked, and takes each answer's status.
    """
    folder = str(context.system_properties["model_dir"])
    if folder not in _handlers:
        configure_logs("warning", "json")  # TorchServe's worker tells of each request
        most = int(context.model_yaml_config["handler"]["maxRows"])
        _handlers[folder] = Handler(Path(folder), most)
    if data is None:
        return None
    answers = _handlers[folder].answer([bytes(each.get("body", b"")) for each in data])
    for number, (status, _) in enumerate(answers):
        context.set_response_status(status.value, status.phrase, number)
        context.set_response_content_type(number, "application/octet-stream")
    return [body for _, body in answers]


def _alike(batches: dict[int, Arrays], most: int) -> Iterator[list[int]]:
    """Numbers of those that can be concatenated, and have at most so many rows together."""
    by_shape: dict[tuple[Any, ...], list[int]] = {}
    for number, batch in batches.items():
        shape = tuple((array.dtype, array.shape[1:]) for array in batch.values())
        by_shape.setdefault(shape, []).append(number)
    for numbers in by_shape.values():
        together: list[int] = []
        rows = 0
        for number in numbers:
            size = len(next(iter(batches[number].values())))
            if together and rows + size > most:
                yield together
                together, rows = [], 0
            together.append(number)
            rows += size
        yield together
# end
