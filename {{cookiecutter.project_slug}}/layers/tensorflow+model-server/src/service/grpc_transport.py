"""TensorFlow Serving over gRPC."""

from collections.abc import Callable, Mapping
from typing import Any

import grpc
import proto

from service import server_errors
from service.manifest import Arrays, Manifest
from service.server_errors import ServerError
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

_OPTIONS = [
    ("grpc.max_send_message_length", 64 * 1024 * 1024),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.enable_retries", 0),  # they are decided upstream
    # Behind a name with several addresses, each is called in turn.
    ("grpc.lb_policy_name", "round_robin"),
    # A connection that is dead without a word is noticed.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # After a server was gone, it is looked for again within a second.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2_000),  # and so long a connection may take
    ("grpc.max_reconnect_backoff_ms", 1_000),
]
_CUT = 300
"""Characters of the server's own words that are kept."""


class GrpcTransport:
    """One version of a model; one connection that all threads share.

    Args:
        address: host and port.
        manifest: the version's.
    """

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

    def is_available(self, *, seconds: float) -> bool:
        """Whether the version answers.

        Raises:
            ServerError: the call failed.
        """
        spec = ModelSpec(name=self._name, version=self._version)
        asked = GetModelStatusRequest.pb(GetModelStatusRequest(model_spec=spec))
        try:
            said = self._status(asked, timeout=seconds)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.NOT_FOUND:
                return False
            raise self._to_error(error) from error
        return any(each.state == AVAILABLE for each in said.model_version_status)

    def predict(
        self, signature_name: str, inputs: Arrays, _dtypes: Mapping[str, str], *, seconds: float
    ) -> Arrays:
        """The named outputs of a signature.

        Raises:
            ServerError: there is no answer within the time, or it is none.
        """
        spec = ModelSpec(name=self._name, version=self._version, signature_name=signature_name)
        try:
            said = self._predict(to_request(spec, inputs), timeout=seconds)
        except grpc.RpcError as error:
            raise self._to_error(error) from error
        return {name: to_array(tensor) for name, tensor in said.outputs.items()}

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def _method(self, path: str, answer: type[proto.Message]) -> Callable[..., Any]:
        method: Callable[..., Any] = self._channel.unary_unary(
            path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.pb().FromString,
        )
        return method

    def _to_error(self, error: Any) -> ServerError:
        """What a call that failed means; *error* is of ``grpc``, which carries no types."""
        code, words = error.code(), str(error.details())[:_CUT]
        message = f"{self._address} answers {code.name}: {words}"
        if code == grpc.StatusCode.UNAVAILABLE and "queue" in words:
            return server_errors.Busy(message)
        kinds: dict[Any, type[ServerError]] = {
            grpc.StatusCode.UNAVAILABLE: server_errors.Unreachable,
            grpc.StatusCode.CANCELLED: server_errors.Unreachable,
            grpc.StatusCode.DEADLINE_EXCEEDED: server_errors.TimedOut,
            grpc.StatusCode.RESOURCE_EXHAUSTED: server_errors.Busy,
            grpc.StatusCode.INVALID_ARGUMENT: server_errors.InputFailed,
            grpc.StatusCode.OUT_OF_RANGE: server_errors.InputFailed,
            grpc.StatusCode.NOT_FOUND: server_errors.Refused,
            grpc.StatusCode.FAILED_PRECONDITION: server_errors.Refused,
            grpc.StatusCode.UNIMPLEMENTED: server_errors.Refused,
            grpc.StatusCode.PERMISSION_DENIED: server_errors.Refused,
            grpc.StatusCode.UNAUTHENTICATED: server_errors.Refused,
        }
        return kinds.get(code, server_errors.Failed)(message)
