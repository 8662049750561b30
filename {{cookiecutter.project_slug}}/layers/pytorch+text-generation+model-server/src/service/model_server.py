"""Tokens -> tokens: the model in TorchServe, over HTTP, a line of JSON for each step."""

import json
from collections.abc import Generator
from dataclasses import asdict
from http import HTTPStatus

from service.texts import FinishReason, Prompt
from service.server_connection import ServerConnection, to_error
from service.server_errors import Garbage, InputFailed, Refused, Unreachable


class ModelServer(ServerConnection):
    """A model that generates, in TorchServe."""

    def generate(
        self, prompt: Prompt, *, timeout_seconds: float
    ) -> "Generator[int | FinishReason]":
        """The tokens that follow *prompt*, as they come, as ``Server`` says.

        Args:
            prompt: what is to be continued, and how.
            timeout_seconds: for the whole text.

        Raises:
            ServerError: there is no answer within the time, or it is none.
        """
        request = {
            "tokens": list(prompt.tokens),
            "sampling": asdict(prompt.sampling),
            "max_new_tokens": prompt.max_new_tokens,
            "end_tokens": sorted(prompt.end_tokens),
        }
        opened = self._open(
            "POST",
            seconds=timeout_seconds,
            body=json.dumps(request).encode(),
            headers={"Content-Type": "application/octet-stream"},
        )
        with opened as (status, chunks):
            if status != HTTPStatus.OK:
                raise to_error(status, b"".join(chunks))
            for line in _lines(chunks):
                yield from _items(line)
                if b"finish_reason" in line:
                    return
        raise Unreachable("TorchServe has broken off within a text")


def _lines(chunks: Generator[bytes]) -> Generator[bytes]:
    """The lines that are not empty; TorchServe sends empty ones while nothing comes."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from filter(None, lines)


def _items(line: bytes) -> "Generator[int | FinishReason]":
    """What one step has brought.

    Raises:
        InputFailed: the model raised on this prompt.
        Refused: the handler does not take the prompt.
        Garbage: *line* is none of the handler's.
    """
    try:
        said = json.loads(line)
        tokens = [int(token) for token in said.get("tokens", [])]
        reason, error = said.get("finish_reason"), said.get("error")
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
