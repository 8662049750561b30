# mypy: disable-error-code="misc"
# The official services have no types, and ours are subclasses.
"""Stands in for TensorFlow Serving, of which no package has the binary.

It takes the flags and configuration files of the real one as far as they are used here, loads the
SavedModels with TensorFlow, replays their warm-up requests, runs requests in batches, and speaks
both interfaces by the official messages, errors included. A file named by STAND_IN_FAULT makes it
fail: ``slow``, ``error``, ``garbage``, ``shapes`` or ``poison`` is what it may hold. It listens on
STAND_IN_HOST.
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
import stand_in_configs
from stand_in_models import Models, ServingError, fault, invalid, run
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from service.framework import tf
from service.manifest import Arrays

AVAILABLE = get_model_status_pb2.ModelVersionStatus.AVAILABLE
SLOW_SECONDS = 3.0
MODEL = r"/v1/models/([^/:]+)(?:/versions/(\d+))?"
STATUSES = {
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
}
"""As ``http_server.cc`` has them."""


def misshapen(outputs: Arrays) -> Arrays:
    return {name: np.concatenate([array, array]) for name, array in outputs.items()}


class Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
    """The gRPC service that predicts; the method's name is the protocol's."""

    def __init__(self, models: Models, *, as_content: bool) -> None:
        self._models = models
        self._write = as_bytes if as_content else as_numbers

    def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802
        spec = request.model_spec
        version = spec.version.value if spec.HasField("version") else None
        wrong = fault()
        if wrong == "slow":
            time.sleep(SLOW_SECONDS)
        if wrong == "error":
            context.abort(grpc.StatusCode.INTERNAL, "told to fail")
        try:
            signatures = self._models.signatures(spec.name, version)
            name = spec.signature_name or "serving_default"
            if name not in signatures:
                raise ServingError(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    f'Serving signature key "{name}" not found.',
                )
            inputs = {key: tf.make_ndarray(tensor) for key, tensor in request.inputs.items()}
            outputs = run(signatures[name], inputs)
        except ServingError as error:
            context.abort(error.code, str(error))
        if wrong == "shapes":
            outputs = misshapen(outputs)
        answer = predict_pb2.PredictResponse()
        for name, array in outputs.items():
            if wrong == "garbage":
                name = f"no_{name}"  # noqa: PLW2901
            answer.outputs[name].CopyFrom(self._write(array))
        return answer


class Statuses(model_service_pb2_grpc.ModelServiceServicer):
    """The gRPC service that tells of versions; the method's name is the protocol's."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def GetModelStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        spec = request.model_spec
        version = spec.version.value if spec.HasField("version") else None
        try:
            versions = self._models.versions(spec.name, version)
        except ServingError as error:
            context.abort(error.code, str(error))
        answer = get_model_status_pb2.GetModelStatusResponse()
        for version in versions:
            answer.model_version_status.add(version=version, state=AVAILABLE)
        return answer


def as_bytes(array: Any) -> Any:
    """The message of *array* with its bytes."""
    message = tf.make_tensor_proto(np.zeros((0,), array.dtype))
    message.tensor_shape.CopyFrom(tf.TensorShape(array.shape).as_proto())
    message.tensor_content = array.tobytes()
    return message


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
    wbufsize = -1  # in two packets, headers and body would wait 40 ms for each other
    models: Models

    def do_GET(self) -> None:
        try:
            answer = self._about()
        except ServingError as error:
            self._refuse(error)
            return
        self._answer(200, answer)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        wrong = fault()
        if wrong == "slow":
            time.sleep(SLOW_SECONDS)
        if wrong == "error":
            self._answer(500, {"error": "told to fail"})
            return
        if wrong == "garbage":
            self._answer(200, "no JSON object")
            return
        try:
            outputs = self._outputs(body)
        except ServingError as error:
            self._refuse(error)
            return
        if wrong == "shapes":
            outputs = misshapen(outputs)
        lists = {name: array.tolist() for name, array in outputs.items()}
        self._answer(200, {"outputs": next(iter(lists.values())) if len(lists) == 1 else lists})

    def _about(self) -> dict[str, Any]:
        """How versions stand, or what a version can be asked."""
        match = re.fullmatch(f"{MODEL}(/metadata)?", self.path)
        if match is None:
            raise invalid(f"Malformed request: GET {self.path}")
        name, version = match[1], int(match[2]) if match[2] else None
        if match[3]:
            described: dict[str, Any] = {key: {} for key in self.models.signatures(name, version)}
            spec = {"name": name, "version": str(version or self.models.versions(name)[-1])}
            return {
                "model_spec": {**spec, "signature_name": ""},
                "metadata": {"signature_def": {"signature_def": described}},
            }
        fine = {"error_code": "OK", "error_message": ""}
        versions = self.models.versions(name, version)
        listed = [{"version": str(v), "state": "AVAILABLE", "status": fine} for v in versions]
        return {"model_version_status": listed}

    def _outputs(self, body: bytes) -> Arrays:
        match = re.fullmatch(f"{MODEL}:predict", self.path)
        if match is None:
            raise invalid(f"Malformed request: POST {self.path}")
        signatures = self.models.signatures(match[1], int(match[2]) if match[2] else None)
        try:
            asked = json.loads(body)
            name = asked.get("signature_name") or "serving_default"
            if name not in signatures:
                raise invalid(f'Serving signature name: "{name}" not found in signature def')
            specs = signatures[name].function.structured_input_signature[1]
            inputs = {
                key: np.array(values, specs[key].dtype.as_numpy_dtype if key in specs else None)
                for key, values in asked["inputs"].items()
            }
        except (ValueError, KeyError) as error:
            raise invalid("JSON Parse error: Invalid value. at offset: 0") from error
        return run(signatures[name], inputs)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""

    def _refuse(self, error: ServingError) -> None:
        self._answer(STATUSES[error.code], {"error": str(error)})

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


def options() -> argparse.Namespace:
    """The flags, as ``main.cc`` has them; any that is not known is refused."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("port", "rest_api_port", "rest_api_timeout_in_ms", "grpc_max_threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("model_config_file", "batching_parameters_file", "monitoring_config_file"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("enable_batching", "enable_serialization_as_tensor_content"):
        parser.add_argument(f"--{name}", choices=["true", "false"], default="false")
    parser.add_argument("--file_system_poll_wait_seconds", type=float, default=1)
    return parser.parse_args()


def main() -> None:
    told = options()
    host = os.environ.get("STAND_IN_HOST", "127.0.0.1")
    stand_in_configs.monitoring(told.monitoring_config_file)
    models = Models(told.model_config_file, told.batching_parameters_file)
    models.follow()
    server = grpc.server(
        ThreadPoolExecutor(told.grpc_max_threads),
        options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 64 * 1024 * 1024)],
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        Predictions(models, as_content=told.enable_serialization_as_tensor_content == "true"),
        server,
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(Statuses(models), server)
    server.add_insecure_port(f"{host}:{told.port}")
    server.start()
    every(told.file_system_poll_wait_seconds, models.follow)
    handler = type("Bound", (Rest,), {"models": models})
    ThreadingHTTPServer.request_queue_size = 128
    ThreadingHTTPServer((host, told.rest_api_port), handler).serve_forever()


if __name__ == "__main__":
    main()
