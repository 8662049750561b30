"""The model in TorchServe: its inference API over HTTP, the token, errors."""

import contextlib
import json
import threading
import time
# only: predict
from collections.abc import Generator
# end
# only: text-generation
from collections.abc import Callable, Generator
# end
from contextlib import contextmanager
# only: text-generation
from dataclasses import asdict
# end
from http import HTTPStatus
from pathlib import Path
# only: predict

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save
# end

from service import errors
# only: predict
from service.errors import Garbage, Refused, ServerError
# end
# only: text-generation
from service.errors import Garbage, InputFailed, Refused, ServerError, Unreachable
# end
from service.http_client import HttpClient
# only: predict
from service.manifest import Arrays, Manifest
# end
# only: text-generation
from service.manifest import Manifest
# end
from service.settings import Settings
# only: text-generation
from service.texts import FinishReason, Prompt
# end

_CUT = 300
"""Characters of the server's own words that are kept."""
_RENEWAL_SECONDS = 0.3
"""TorchServe takes a new token, and no other, some moments before its file has it."""


class Key:
    """The token of TorchServe's inference API, which it writes to the file *path*, and renews."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._key = ""

    def read(self) -> str:
        """The token as it was read last; ``Refused`` where there is none yet."""
        return self._key or self.read_again()

    def read_again(self) -> str:
        """The token as the file has it now; errors are those of :meth:`read`."""
        with self._lock:
            try:
                self._key = str(json.loads(self._path.read_bytes())["inference"]["key"])
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise Refused(
                    f'MODEL_SERVER_KEY_FILE is "{self._path}", which holds no inference key: '
                    f"{error!r}"
                ) from error
            return self._key

    def read_renewed(self, refused: str) -> str:
        """The token that comes after *refused*; errors are those of :meth:`read`.

        It is *refused* itself where the file has no other after some moments.
        """
        end = time.monotonic() + _RENEWAL_SECONDS
        while time.monotonic() < end:
            with contextlib.suppress(Refused):  # half written
                if (key := self.read_again()) != refused:
                    return key
            time.sleep(0.005)
        return self.read_again()


class ModelServer:
    """One version of a model in TorchServe, for all threads of this process."""

    def __init__(self, settings: Settings, manifest: Manifest) -> None:
        self._path = f"/predictions/{manifest.name}/{manifest.version}"
        self._http = HttpClient(settings.model_server_url, settings.http_threads)
        self._key = Key(settings.model_server_key_file)
        self.close = self._http.close

    def is_ready(self, *, timeout_seconds: float) -> bool:
        """Whether the version is registered; its worker may still be loading it."""
        with self._open("OPTIONS", None, timeout_seconds) as (status, chunks):
            answer = b"".join(chunks)
        if status == HTTPStatus.NOT_FOUND:
            return False
        if status != HTTPStatus.OK:
            raise _to_error(status, answer)
        return True

    # only: predict
    def predict(self, batch: Arrays, *, timeout_seconds: float) -> Arrays:
        """The outputs for *batch*, as ``Server`` says; tensors go as safetensors."""
        body = save({name: np.ascontiguousarray(array) for name, array in batch.items()})
        with self._post(body, timeout_seconds) as chunks:
            answer = b"".join(chunks)
        try:
            return dict(load(answer))
        except SafetensorError as error:
            raise Garbage(f"TorchServe's answer is no safetensors: {error}") from error

    # end
    # only: text-generation
    def generate(
        self,
        prompt: Prompt,
        *,
        timeout_seconds: float,
        has_left: Callable[[], bool] | None = None,
    ) -> "Generator[int | FinishReason]":
        """What follows *prompt*, as ``Server`` says; a line of JSON for each step."""
        request = {
            "tokens": list(prompt.tokens),
            "sampling": asdict(prompt.sampling),
            "max_new_tokens": prompt.max_new_tokens,
            "end_tokens": sorted(prompt.end_tokens),
        }
        body = json.dumps(request).encode()
        with self._post(body, timeout_seconds) as chunks:
            for line in _lines(chunks):
                if has_left and has_left():
                    return
                if line:
                    yield from _items(line)
                if b"finish_reason" in line:
                    return
        raise Unreachable("TorchServe has broken off within a text")

    # end
    @contextmanager
    def _post(self, body: bytes, seconds: float) -> Generator[Generator[bytes]]:
        """The model's answer to *body*, as it comes; ``ServerError`` where TorchServe refuses."""
        with self._open("POST", body, seconds) as (status, chunks):
            if status != HTTPStatus.OK:
                raise _to_error(status, b"".join(chunks))
            yield chunks

    @contextmanager
    def _open(
        self, method: str, body: bytes | None, seconds: float
    ) -> Generator[tuple[int, Generator[bytes]]]:
        """The status and the body; sent again where the token was renewed since it was read."""
        end = time.monotonic() + seconds
        key = self._key.read()
        with self._open_with(key, method, body, seconds) as (status, chunks):
            if status not in {HTTPStatus.UNAUTHORIZED, HTTPStatus.BAD_REQUEST}:
                yield status, chunks
                return
            answer = b"".join(chunks)
        if status != HTTPStatus.UNAUTHORIZED and b"Token Authorization" not in answer:
            yield status, (part for part in [answer])
            return
        key = self._key.read_renewed(key)
        left = max(0.001, end - time.monotonic())
        with self._open_with(key, method, body, left) as opened:
            yield opened

    def _open_with(
        self, key: str, method: str, body: bytes | None, seconds: float
    ) -> contextlib.AbstractContextManager[tuple[int, Generator[bytes]]]:
        headers = {"Authorization": f"Bearer {key}"}
        if body is not None:
            headers["Content-Type"] = "application/octet-stream"
        return self._http.open(method, self._path, seconds=seconds, body=body, headers=headers)


def _to_error(status: int, answer: bytes) -> ServerError:
    """What an error's status and body mean.

    TorchServe answers with ``{"code": ..., "type": ..., "message": ...}``.
    """
    text = answer[:_CUT].decode(errors="replace")
    message = f"TorchServe answers {status}: {text}"
    if status == HTTPStatus.SERVICE_UNAVAILABLE and "ServiceUnavailableException" in text:
        return errors.Busy(message)
    if status == HTTPStatus.FAILED_DEPENDENCY:
        return errors.InputFailed(message)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return errors.Failed(message)
    if status >= HTTPStatus.BAD_REQUEST:
        return errors.Refused(message)
    return errors.Garbage(message)
# only: text-generation


def _lines(chunks: Generator[bytes]) -> Generator[bytes]:
    """The lines; TorchServe sends empty ones while nothing comes."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines


def _items(line: bytes) -> "Generator[int | FinishReason]":
    """What one step has brought; ``ServerError`` where it is an error, or no step."""
    try:
        step = json.loads(line)
        tokens = [int(token) for token in step.get("tokens", [])]
        reason, error = step.get("finish_reason"), step.get("error")
    except (ValueError, TypeError, AttributeError) as fault:
        raise Garbage(f"TorchServe sends a line that is none: {line[:300]!r}") from fault
    yield from tokens
    if error == "model_failed":
        raise InputFailed("the model raised on this prompt")
    if error is not None:
        raise Refused(f"TorchServe's handler refuses the prompt: {str(error)[:300]}")
    if reason is not None:
        if reason not in {"stop", "length"}:
            raise Garbage(f"TorchServe sends the reason {reason!r}")
        yield reason
# end
