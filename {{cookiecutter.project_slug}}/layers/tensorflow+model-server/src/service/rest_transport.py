"""TensorFlow Serving over HTTP and JSON (https://www.tensorflow.org/tfx/serving/api_rest)."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import numpy as np

from service import server_errors
from service.http_client import Exchange, HttpClient
from service.manifest import Arrays, Manifest
from service.server_errors import Garbage, ServerError

_CUT = 300
"""Characters of the server's own words that are kept."""


class RestTransport:
    """One version of a model; pooled connections.

    Args:
        url: scheme, host and port.
        manifest: the version's.
        connections: most that are kept open.
    """

    def __init__(self, url: str, manifest: Manifest, connections: int) -> None:
        self._url = url
        self._http = HttpClient(url, connections)
        self._path = f"/v1/models/{manifest.name}/versions/{manifest.version}"

    def is_available(self, *, seconds: float) -> bool:
        """Whether the version answers.

        Raises:
            ServerError: the call failed.
        """
        said = self._http.request("GET", self._path, seconds=seconds)
        if said.status == HTTPStatus.NOT_FOUND:
            return False
        answer = self._read(said)
        try:
            states = [each["state"] for each in answer["model_version_status"]]
        except (KeyError, TypeError) as error:
            raise Garbage(f"{self._url} answers what is no status: {said.body[:_CUT]!r}") from error
        return "AVAILABLE" in states

    def predict(
        self, signature_name: str, inputs: Arrays, dtypes: Mapping[str, str], *, seconds: float
    ) -> Arrays:
        """The named outputs of a signature.

        Args:
            signature_name: which.
            inputs: named arrays with a leading batch axis.
            dtypes: of the outputs, which JSON does not tell.
            seconds: for the whole call.

        Raises:
            ServerError: there is no answer within the time, or it is none.
        """
        request = {
            "signature_name": signature_name,
            "inputs": {name: array.tolist() for name, array in inputs.items()},
        }
        said = self._http.request(
            "POST",
            f"{self._path}:predict",
            seconds=seconds,
            body=json.dumps(request).encode(),
            headers={"Content-Type": "application/json"},
        )
        answer = self._read(said)
        try:
            outputs = answer["outputs"]
            if len(dtypes) == 1:  # is told without its name
                outputs = dict.fromkeys(dtypes, outputs)
            return {name: np.array(outputs[name], dtype) for name, dtype in dtypes.items()}
        except (KeyError, TypeError, ValueError) as error:
            raise Garbage(f"{self._url} answers no such outputs: {said.body[:_CUT]!r}") from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _read(self, said: Exchange) -> Any:
        if said.status != HTTPStatus.OK:
            raise self._to_error(said)
        try:
            return json.loads(said.body)
        except ValueError as error:
            raise Garbage(f"{self._url} answers what is no JSON: {said.body[:_CUT]!r}") from error

    def _to_error(self, said: Exchange) -> ServerError:
        words = said.body[:_CUT].decode(errors="replace")
        message = f"{self._url} answers {said.status}: {words}"
        kinds: dict[int, type[ServerError]] = {
            HTTPStatus.BAD_REQUEST: server_errors.InputFailed,
            HTTPStatus.TOO_MANY_REQUESTS: server_errors.Busy,
            HTTPStatus.SERVICE_UNAVAILABLE: server_errors.Busy,
            HTTPStatus.GATEWAY_TIMEOUT: server_errors.TimedOut,
        }
        if "not found in signature def" in words:  # has the status of bad input
            return server_errors.Refused(message)
        if said.status in kinds:
            return kinds[said.status](message)
        is_theirs = said.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        return server_errors.Failed(message) if is_theirs else server_errors.Refused(message)
