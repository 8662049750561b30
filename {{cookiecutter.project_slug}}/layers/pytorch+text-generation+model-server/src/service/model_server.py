"""Tokens -> tokens: the model in TorchServe, over HTTP, a line of JSON for each step."""

import json
from collections.abc import Generator
from dataclasses import asdict

from service.manifest import Manifest
from service.server_errors import Garbage, InputFailed, Refused, Unreachable
from service.settings import Settings
from service.texts import FinishReason, Prompt
from service.torchserve import TorchServe


class ModelServer:
    """A model that generates, in TorchServe.

    Args and errors are those of ``TorchServe``.
    """

    def __init__(self, settings: Settings, manifest: Manifest) -> None:
        self._server = TorchServe(settings, manifest)
        self.is_ready = self._server.is_ready
        self.close = self._server.close

    def generate(
        self, prompt: Prompt, *, timeout_seconds: float
    ) -> "Generator[int | FinishReason]":
        """The tokens that follow *prompt*, as they come, and at last the reason for the end."""
        request = {
            "tokens": list(prompt.tokens),
            "sampling": asdict(prompt.sampling),
            "max_new_tokens": prompt.max_new_tokens,
            "end_tokens": sorted(prompt.end_tokens),
        }
        body = json.dumps(request).encode()
        with self._server.post(body, seconds=timeout_seconds) as chunks:
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
