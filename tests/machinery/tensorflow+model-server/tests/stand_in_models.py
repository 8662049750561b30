"""Models of the stand-in for TensorFlow Serving: SavedModels, run in batches as it runs them.

Messages and codes are those of ``tensorflow_serving`` (``basic_manager.cc``, ``predict_util.cc``,
``batching_session.cc``).
"""

import os
import queue
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import stand_in_configs
from google.protobuf import text_format
from tensorflow_serving.apis import prediction_log_pb2
from tensorflow_serving.config import model_server_config_pb2

from service.framework import tf
from service.manifest import Arrays

POISON = 1_000_000_000
"""Where the stand-in is told to, it raises on inputs that hold this number."""
POISON_SECONDS = 0.2
"""So long a run then takes, in which others gather."""


class ServingError(Exception):
    """An error as TensorFlow Serving tells it."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def invalid(message: str) -> ServingError:
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, message)


def fault() -> str:
    """What the file named by STAND_IN_FAULT says."""
    path = os.environ.get("STAND_IN_FAULT")
    return Path(path).read_text().strip() if path and Path(path).is_file() else ""


@dataclass
class Task:
    """One request for a signature."""

    inputs: Arrays
    answer: "Future[Arrays]" = field(default_factory=Future)

    @property
    def rows(self) -> int:
        return len(next(iter(self.inputs.values())))


class Batcher:
    """One signature of a model: what waits while it runs is its next batch.

    Args:
        model: kept, for it owns the function's variables.
        function: the signature's.
        most_rows: of a batch.
    """

    def __init__(self, model: Any, function: Any, most_rows: int) -> None:
        self._model = model
        self.function = function
        self._most_rows = most_rows
        self._waiting: queue.SimpleQueue[Task] = queue.SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def run(self, inputs: Arrays) -> Arrays:
        task = Task(inputs)
        if task.rows > self._most_rows:
            raise invalid(
                f"Task size {task.rows} is larger than maximum input batch size {self._most_rows}"
            )
        self._waiting.put(task)
        return task.answer.result()

    def _work(self) -> None:
        left: Task | None = None
        while True:
            tasks = [left or self._waiting.get()]
            left = None
            while not self._waiting.empty() and left is None:
                task = self._waiting.get()
                if sum(each.rows for each in tasks) + task.rows > self._most_rows:
                    left = task
                else:
                    tasks.append(task)
            self._run(tasks)

    def _run(self, tasks: list[Task]) -> None:
        """Answer all *tasks*, or fail them all."""
        try:
            outputs = self._merged(tasks)
        except ServingError as error:
            for task in tasks:
                task.answer.set_exception(error)
            return
        start = 0
        for task in tasks:
            end = start + task.rows
            task.answer.set_result({name: array[start:end] for name, array in outputs.items()})
            start = end

    def _merged(self, tasks: list[Task]) -> Arrays:
        try:
            inputs = {
                name: np.concatenate([task.inputs[name] for task in tasks])
                for name in tasks[0].inputs
            }
        except ValueError as error:
            raise ServingError(
                grpc.StatusCode.FAILED_PRECONDITION,
                "Tensors with name 'inputs' from different tasks have different shapes and "
                "padding is turned off",
            ) from error
        if fault() == "poison":
            time.sleep(POISON_SECONDS)
            if any((array == POISON).any() for array in inputs.values()):
                raise invalid("told to fail on this input")
        return call(self.function, inputs)


def call(function: Any, inputs: Arrays) -> Arrays:
    """What a signature answers.

    Raises:
        ServingError: it raises.
    """
    try:
        outputs = function(**{name: tf.constant(array) for name, array in inputs.items()})
    except (ValueError, TypeError, tf.errors.InvalidArgumentError) as error:
        raise invalid(str(error)) from error
    return {name: each.numpy() for name, each in outputs.items()}


class Models:
    """The versions that lie in the folders of a configuration file.

    Args:
        config: names and folders.
        batching: how requests share runs.
    """

    def __init__(self, config: Path, batching: Path) -> None:
        parsed = text_format.Parse(config.read_text(), model_server_config_pb2.ModelServerConfig())
        self.folders = {each.name: Path(each.base_path) for each in parsed.model_config_list.config}
        self._most_rows = stand_in_configs.batching(batching).max_batch_size.value
        self._loaded: dict[tuple[str, int], dict[str, Batcher]] = {}

    def follow(self) -> None:
        """Load what is new, and drop what is gone; the real server polls too."""
        found = {
            (name, int(folder.name)): folder
            for name, base in self.folders.items()
            for folder in base.iterdir()
            if folder.name.isdigit() and (folder / "saved_model.pb").is_file()
        }
        for key in self._loaded.keys() - found.keys():
            del self._loaded[key]
        for key in sorted(found.keys() - self._loaded.keys()):
            model = tf.saved_model.load(str(found[key]))
            warm(model, found[key])
            self._loaded[key] = {
                name: Batcher(model, function, self._most_rows)
                for name, function in model.signatures.items()
            }

    def versions(self, name: str, version: int | None = None) -> list[int]:
        """All versions of a model, or the one that is asked for.

        Raises:
            ServingError: there is none.
        """
        known = sorted(each for model, each in self._loaded if model == name)
        found = [each for each in known if version in {None, each}]
        if not found:
            what = "any versions" if version is None else f"version {version}"
            raise ServingError(grpc.StatusCode.NOT_FOUND, f"Could not find {what} of model {name}")
        return found

    def signatures(self, name: str, version: int | None) -> dict[str, Batcher]:
        """The signatures of a version, or of the newest.

        Raises:
            ServingError: there is no such version.
        """
        known = [each for model, each in self._loaded if model == name]
        wanted = version if version is not None else max(known, default=0)
        if (name, wanted) not in self._loaded:
            which = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise ServingError(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {which}"
            )
        return self._loaded[name, wanted]


def run(batcher: Batcher, inputs: Arrays) -> Arrays:
    """The outputs of a signature for arrays.

    Raises:
        ServingError: the inputs do not fit, or the model raises.
    """
    wanted = batcher.function.structured_input_signature[1]
    if wanted.keys() != inputs.keys():
        extra, missing = inputs.keys() - wanted.keys(), wanted.keys() - inputs.keys()
        raise invalid(
            f"input size does not match signature: {len(inputs)}!={len(wanted)} "
            f"len({{{','.join(inputs)}}}) != len({{{','.join(wanted)}}}). "
            f"Sent extra: {{{','.join(extra)}}}. Missing but required: {{{','.join(missing)}}}."
        )
    for name, spec in wanted.items():
        if inputs[name].dtype != spec.dtype.as_numpy_dtype:
            raise invalid(
                f"Expects {name} to be {spec.dtype.name} but {inputs[name].dtype} is provided"
            )
        if not spec.shape.is_compatible_with(inputs[name].shape):
            raise invalid(f"{name} has the shape {inputs[name].shape}, and not {spec.shape}")
    return batcher.run(inputs)


def warm(model: Any, folder: Path) -> None:
    """Replay the requests that lie beside the model."""
    path = folder / "assets.extra" / "tf_serving_warmup_requests"
    for record in tf.data.TFRecordDataset(str(path)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        call(model.signatures[request.model_spec.signature_name], inputs)
