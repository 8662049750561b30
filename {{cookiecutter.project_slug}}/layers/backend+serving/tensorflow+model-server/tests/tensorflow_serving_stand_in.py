# mypy: disable-error-code="misc"
# The official services have no types, and ours are subclasses.
"""Stands in for TensorFlow Serving, of which no package has the binary.

It takes the flags and configuration files of the real one as far as they are used here, loads the
SavedModels with TensorFlow, replays their warm-up requests, and speaks both interfaces by the
official messages, errors included. It batches nothing. A file named by STAND_IN_FAULT makes it
fail: ``slow``, ``error``, ``garbage`` or ``shapes`` is what it may hold.
"""

import argparse
import json
import os
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from google.protobuf import text_format
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)
from tensorflow_serving.config import model_server_config_pb2

from service.framework import tf

AVAILABLE = get_model_status_pb2.ModelVersionStatus.AVAILABLE
SLOW_SECONDS = 3.0


class ServingError(Exception):
    """An error as TensorFlow Serving tells it."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class Models:
    """The versions that lie in the folders of a configuration file."""

    def __init__(self, config: Path) -> None:
        parsed = text_format.Parse(config.read_text(), model_server_config_pb2.ModelServerConfig())
        self.folders = {each.name: Path(each.base_path) for each in parsed.model_config_list.config}
        self._loaded: dict[tuple[str, int], Any] = {}

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
            self._loaded[key] = model

    def versions(self, name: str) -> list[int]:
        return sorted(version for known, version in self._loaded if known == name)

    def signature(self, name: str, version: int | None, signature_name: str) -> Any:
        """A signature.

        Raises:
            ServingError: there is none.
        """
        known = self.versions(name)
        wanted = known[-1] if version is None and known else version
        model = self._loaded.get((name, wanted or 0))
        if model is None:
            which = "Latest" if version is None else "Specific"
            words = f"{which}({name}{'' if version is None else f', {version}'})"
            raise ServingError(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {words}"
            )
        signature_name = signature_name or "serving_default"
        if signature_name not in model.signatures:
            raise ServingError(
                grpc.StatusCode.FAILED_PRECONDITION,
                f'Serving signature name: "{signature_name}" not found in signature def',
            )
        return model, model.signatures[signature_name]


def warm(model: Any, folder: Path) -> None:
    """Replay the requests that lie beside the model."""
    path = folder / "assets.extra" / "tf_serving_warmup_requests"
    for record in tf.data.TFRecordDataset(str(path)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        function = model.signatures[request.model_spec.signature_name]
        function(**{name: tf.constant(tf.make_ndarray(t)) for name, t in request.inputs.items()})


def run(found: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    """The outputs of a signature for arrays.

    Raises:
        ServingError: the inputs do not fit, or the model raises.
    """
    _model, function = found
    wanted = function.structured_input_signature[1]
    if wanted.keys() != inputs.keys():
        extra, missing = inputs.keys() - wanted.keys(), wanted.keys() - inputs.keys()
        raise ServingError(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"input size does not match signature: {len(inputs)}!={len(wanted)} "
            f"len({{{','.join(inputs)}}}) != len({{{','.join(wanted)}}}). "
            f"Sent extra: {{{','.join(extra)}}}. Missing but required: {{{','.join(missing)}}}.",
        )
    try:
        tensors = {
            name: tf.constant(np.asarray(array, spec.dtype.as_numpy_dtype))
            for (name, spec), array in zip(
                wanted.items(), (inputs[name] for name in wanted), strict=True
            )
        }
        return {name: each.numpy() for name, each in function(**tensors).items()}
    except (ValueError, TypeError, tf.errors.InvalidArgumentError) as error:
        raise ServingError(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from error


def misshapen(outputs: dict[str, Any]) -> dict[str, Any]:
    return {name: np.concatenate([array, array]) for name, array in outputs.items()}


def fault() -> str:
    path = os.environ.get("STAND_IN_FAULT")
    return Path(path).read_text().strip() if path and Path(path).is_file() else ""


class Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
    """The gRPC service that predicts; the method's name is the protocol's."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802
        spec = request.model_spec
        version = spec.version.value if spec.HasField("version") else None
        wrong = fault()
        if wrong == "slow":
            time.sleep(SLOW_SECONDS)
        if wrong == "error":
            context.abort(grpc.StatusCode.INTERNAL, "told to fail")
        try:
            found = self._models.signature(spec.name, version, spec.signature_name)
            outputs = run(found, {n: tf.make_ndarray(t) for n, t in request.inputs.items()})
        except ServingError as error:
            context.abort(error.code, str(error))
        if wrong == "shapes":
            outputs = misshapen(outputs)
        answer = predict_pb2.PredictResponse()
        for name, array in outputs.items():
            if wrong == "garbage":
                name = f"no_{name}"  # noqa: PLW2901
            # As the real server does unless it is told otherwise: numbers, and no bytes.
            answer.outputs[name].CopyFrom(as_numbers(array))
        return answer


class Statuses(model_service_pb2_grpc.ModelServiceServicer):
    """The gRPC service that tells of versions; the method's name is the protocol's."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def GetModelStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        spec = request.model_spec
        versions = self._models.versions(spec.name)
        if spec.HasField("version"):
            versions = [each for each in versions if each == spec.version.value]
        if not versions:
            context.abort(
                grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {spec.name}"
            )
        answer = get_model_status_pb2.GetModelStatusResponse()
        for version in versions:
            answer.model_version_status.add(version=version, state=AVAILABLE)
        return answer


def as_numbers(array: Any) -> Any:
    """The message of *array* with its numbers in fields, the last for all equal ones behind it."""
    message = tf.make_tensor_proto(array)
    if not message.tensor_content:
        return message
    field = {"float32": "float_val", "int32": "int_val", "int64": "int64_val"}[array.dtype.name]
    message.tensor_content = b""
    getattr(message, field).extend(array.ravel().tolist())
    return message


class Rest(BaseHTTPRequestHandler):
    """The HTTP interface."""

    protocol_version = "HTTP/1.1"
    models: Models

    def do_GET(self) -> None:
        match = re.fullmatch(r"/v1/models/([^/:]+)(?:/versions/(\d+))?", self.path)
        if match is None:
            self._answer(404, {"error": "Malformed request: GET " + self.path})
            return
        name, version = match[1], match[2]
        versions = [v for v in self.models.versions(name) if version in {None, str(v)}]
        if not versions:
            self._answer(404, {"error": f"Could not find any versions of model {name}"})
            return
        fine = {"error_code": "OK", "error_message": ""}
        listed = [{"version": str(v), "state": "AVAILABLE", "status": fine} for v in versions]
        self._answer(200, {"model_version_status": listed})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        match = re.fullmatch(r"/v1/models/([^/:]+)(?:/versions/(\d+))?:predict", self.path)
        wrong = fault()
        if wrong == "slow":
            time.sleep(SLOW_SECONDS)
        if wrong == "error":
            self._answer(500, {"error": "told to fail"})
            return
        if wrong == "garbage":
            self._answer(200, "no JSON object")
            return
        if match is None:
            self._answer(404, {"error": "Malformed request: POST " + self.path})
            return
        try:
            asked = json.loads(body)
            found = self.models.signature(
                match[1], int(match[2]) if match[2] else None, asked.get("signature_name", "")
            )
            outputs = run(found, asked["inputs"])
        except ServingError as error:
            status = 404 if error.code == grpc.StatusCode.NOT_FOUND else 400
            self._answer(status, {"error": str(error)})
            return
        except (ValueError, KeyError):
            self._answer(400, {"error": "JSON Parse error: Invalid value"})
            return
        if wrong == "shapes":
            outputs = misshapen(outputs)
        lists = {name: array.tolist() for name, array in outputs.items()}
        self._answer(200, {"outputs": next(iter(lists.values())) if len(lists) == 1 else lists})

    def log_message(self, *_args: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, answer: object) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def every(seconds: float, do: Callable[[], None]) -> None:
    def again() -> None:
        while True:
            time.sleep(seconds)
            do()

    threading.Thread(target=again, daemon=True).start()


def main() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rest_api_port", type=int, required=True)
    parser.add_argument("--model_config_file", type=Path, required=True)
    parser.add_argument("--file_system_poll_wait_seconds", type=float, default=1)
    options = parser.parse_args()
    models = Models(options.model_config_file)
    models.follow()
    server = grpc.server(
        ThreadPoolExecutor(32),
        options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 64 * 1024 * 1024)],
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Predictions(models), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(Statuses(models), server)
    server.add_insecure_port(f"127.0.0.1:{options.port}")
    server.start()
    every(options.file_system_poll_wait_seconds, models.follow)
    handler = type("Bound", (Rest,), {"models": models})
    ThreadingHTTPServer.request_queue_size = 128
    ThreadingHTTPServer(("127.0.0.1", options.rest_api_port), handler).serve_forever()


if __name__ == "__main__":
    main()
