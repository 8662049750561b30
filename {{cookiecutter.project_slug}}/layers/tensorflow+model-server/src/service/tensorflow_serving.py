"""TensorFlow Serving's two interfaces, gRPC and REST: one version of a model, errors translated."""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Protocol

import grpc
import numpy as np
import proto

from service import errors, tracing
from service.errors import Garbage, ServerError
from service.http_client import Exchange, HttpClient, RetryBudget
from service.manifest import Arrays, Manifest
from service.serving_messages import (
    AVAILABLE,
    GetModelStatusRequest,
    GetModelStatusResponse,
    Int64Value,
    ModelSpec,
    PredictResponse,
    to_array,
    to_request,
)
from service.settings import Settings

_GRPC = "grpc://"
_CUT = 300
"""Characters of the server's own words that are kept."""
_MESSAGE_BYTES = 64 * 1024 * 1024
_LOOK_SECONDS = 0.1
"""After so long without an answer it is seen to whether somebody waits for it."""

_SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],  # over the addresses of a name
    "methodConfig": [
        {
            "name": [{"service": "tensorflow.serving.PredictionService"}],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.05s",
                "maxBackoff": "0.2s",
                "backoffMultiplier": 2,
                # A prediction changes nothing, so one that may have run may be sent again.
                "retryableStatusCodes": [
                    *("UNAVAILABLE", "RESOURCE_EXHAUSTED", "CANCELLED"),
                    *("ABORTED", "INTERNAL", "UNKNOWN", "DATA_LOSS"),
                ],
            },
        }
    ],
    # gRPC retries while more than half of the tokens are left, so twice the retries of HTTP.
    "retryThrottling": {"maxTokens": 2 * RetryBudget.MOST, "tokenRatio": RetryBudget.EARNED},
}
"""https://github.com/grpc/proposal/blob/master/A6-client-retries.md"""
_OPTIONS = [
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    ("grpc.per_rpc_retry_buffer_size", _MESSAGE_BYTES),  # a larger request is not retried
    ("grpc.max_send_message_length", _MESSAGE_BYTES),
    ("grpc.max_receive_message_length", _MESSAGE_BYTES),
    # A connection that is dead without a word is noticed.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # After a server was gone, it is looked for again within a second.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2_000),  # and so long a connection may take
    ("grpc.max_reconnect_backoff_ms", 1_000),
]


class Left(Exception):
    """Nobody waited any more, so the call was ended."""


class Transport(Protocol):
    """What both interfaces can do, for all threads of this process."""

    def is_ready(self, *, timeout_seconds: float) -> bool:
        """Whether the version is loaded and warm; ``ServerError`` where the call failed."""

    def predict(
        self,
        signature_name: str,
        inputs: Arrays,
        dtypes: Mapping[str, str],
        *,
        seconds: float,
        has_left: Callable[[], bool] | None = None,
    ) -> Arrays:
        """The named outputs of a signature.

        Args:
            signature_name: which.
            inputs: named arrays with a leading batch axis.
            dtypes: of the outputs, which JSON does not tell.
            seconds: for the whole call.
            has_left: whether nobody waits any more; gRPC then ends the call.

        Raises:
            ServerError: there is no answer within the time, or it is none.
            Left: as its name says.
        """

    def close(self) -> None:
        """Close the connections."""


def connect(settings: Settings, manifest: Manifest) -> Transport:
    """The interface that MODEL_SERVER_URL's scheme names, for one version of a model."""
    url = settings.model_server_url.rstrip("/")
    if url.startswith(_GRPC):
        return GrpcTransport(url.removeprefix(_GRPC), manifest)
    return RestTransport(url, manifest, settings.http_threads)


class GrpcTransport:
    """One connection to *address*, a host and port, that all threads share."""

    def __init__(self, address: str, manifest: Manifest) -> None:
        self._address = address
        self._name = manifest.name
        self._version = Int64Value(value=manifest.version)
        self._channel = grpc.insecure_channel(f"dns:///{address}", options=_OPTIONS)
        service = "/tensorflow.serving"
        self._predict = self._method(f"{service}.PredictionService/Predict", PredictResponse)
        self._status = self._method(
            f"{service}.ModelService/GetModelStatus", GetModelStatusResponse
        )

    def is_ready(self, *, timeout_seconds: float) -> bool:
        """As ``Transport`` says."""
        spec = ModelSpec(name=self._name, version=self._version)
        request = GetModelStatusRequest.pb(GetModelStatusRequest(model_spec=spec))
        try:
            answer = self._status(request, timeout=timeout_seconds)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.NOT_FOUND:
                return False
            raise self._to_error(error) from error
        return any(each.state == AVAILABLE for each in answer.model_version_status)

    def predict(
        self,
        signature_name: str,
        inputs: Arrays,
        _dtypes: Mapping[str, str],
        *,
        seconds: float,
        has_left: Callable[[], bool] | None = None,
    ) -> Arrays:
        """As ``Transport`` says."""
        spec = ModelSpec(name=self._name, version=self._version, signature_name=signature_name)
        told = tuple(tracing.headers().items())
        call = self._predict.future(to_request(spec, inputs), timeout=seconds, metadata=told)
        try:
            answer = _wait(call, has_left) if has_left else call.result()
        except grpc.RpcError as error:
            raise self._to_error(error) from error
        return {name: to_array(tensor) for name, tensor in answer.outputs.items()}

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def _method(self, path: str, answer: type[proto.Message]) -> Any:
        return self._channel.unary_unary(
            path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.pb().FromString,
        )

    def _to_error(self, error: Any) -> ServerError:
        """What a call that failed means; *error* is of ``grpc``, which carries no types."""
        code, words = error.code(), str(error.details())[:_CUT]
        message = f"{self._address} answers {code.name}: {words}"
        if code == grpc.StatusCode.UNAVAILABLE and "queue" in words:
            return errors.Busy(message)
        return _GRPC_ERRORS.get(code, errors.Failed)(message)


def _wait(call: Any, has_left: Callable[[], bool]) -> Any:
    """The answer to *call*, which ends as soon as nobody waits."""
    while True:
        try:
            return call.result(timeout=_LOOK_SECONDS)
        except grpc.FutureTimeoutError:
            if has_left():
                call.cancel()
        except grpc.FutureCancelledError:
            raise Left from None


_GRPC_ERRORS: dict[Any, type[ServerError]] = {
    grpc.StatusCode.UNAVAILABLE: errors.Unreachable,
    grpc.StatusCode.CANCELLED: errors.Unreachable,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.TimedOut,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.Busy,
    grpc.StatusCode.INVALID_ARGUMENT: errors.InputFailed,
    grpc.StatusCode.OUT_OF_RANGE: errors.InputFailed,
    grpc.StatusCode.NOT_FOUND: errors.Refused,
    grpc.StatusCode.FAILED_PRECONDITION: errors.Refused,
    grpc.StatusCode.UNIMPLEMENTED: errors.Refused,
    grpc.StatusCode.PERMISSION_DENIED: errors.Refused,
    grpc.StatusCode.UNAUTHENTICATED: errors.Refused,
}


class RestTransport:
    """HTTP and JSON (https://www.tensorflow.org/tfx/serving/api_rest), in pooled connections."""

    def __init__(self, url: str, manifest: Manifest, connections: int) -> None:
        self._url = url
        self._http = HttpClient(url, connections)
        self._path = f"/v1/models/{manifest.name}/versions/{manifest.version}"

    def is_ready(self, *, timeout_seconds: float) -> bool:
        """As ``Transport`` says."""
        exchange = self._http.request("GET", self._path, seconds=timeout_seconds)
        if exchange.status == HTTPStatus.NOT_FOUND:
            return False
        answer = self._read(exchange)
        try:
            states = [each["state"] for each in answer["model_version_status"]]
        except (KeyError, TypeError) as error:
            raise self._garbage("status", exchange) from error
        return "AVAILABLE" in states

    def predict(
        self,
        signature_name: str,
        inputs: Arrays,
        dtypes: Mapping[str, str],
        *,
        seconds: float,
        has_left: Callable[[], bool] | None = None,  # noqa: ARG002 - HTTP/1.1 cannot be told
    ) -> Arrays:
        """As ``Transport`` says."""
        request = {
            "signature_name": signature_name,
            "inputs": {name: array.tolist() for name, array in inputs.items()},
        }
        exchange = self._http.request(
            "POST",
            f"{self._path}:predict",
            seconds=seconds,
            body=json.dumps(request).encode(),
            headers={"Content-Type": "application/json"},
        )
        answer = self._read(exchange)
        try:
            outputs = answer["outputs"]
            if len(dtypes) == 1:  # is told without its name
                outputs = dict.fromkeys(dtypes, outputs)
            return {name: np.array(outputs[name], dtype) for name, dtype in dtypes.items()}
        except (KeyError, TypeError, ValueError) as error:
            raise self._garbage("such outputs", exchange) from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _read(self, exchange: Exchange) -> Any:
        if exchange.status != HTTPStatus.OK:
            raise self._to_error(exchange)
        try:
            return json.loads(exchange.body)
        except ValueError as error:
            raise self._garbage("JSON", exchange) from error

    def _garbage(self, wanted: str, exchange: Exchange) -> Garbage:
        return Garbage(f"{self._url} answers no {wanted}: {exchange.body[:_CUT]!r}")

    def _to_error(self, exchange: Exchange) -> ServerError:
        words = exchange.body[:_CUT].decode(errors="replace")
        message = f"{self._url} answers {exchange.status}: {words}"
        kinds: dict[int, type[ServerError]] = {
            HTTPStatus.BAD_REQUEST: errors.InputFailed,
            HTTPStatus.TOO_MANY_REQUESTS: errors.Busy,
            HTTPStatus.SERVICE_UNAVAILABLE: errors.Busy,
            HTTPStatus.GATEWAY_TIMEOUT: errors.TimedOut,
        }
        if "not found in signature def" in words:  # has the status of bad input
            return errors.Refused(message)
        is_theirs = exchange.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        other = errors.Failed if is_theirs else errors.Refused
        return kinds.get(exchange.status, other)(message)
