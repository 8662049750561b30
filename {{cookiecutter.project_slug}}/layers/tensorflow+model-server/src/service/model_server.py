"""The model in TensorFlow Serving: a signature of the SavedModel for each length of inputs."""

# only: predict
import time
from typing import Any
# end
# only: text-generation
from collections.abc import Callable, Generator
# end

import numpy as np
# only: predict
import numpy.typing as npt
# end

# only: predict
from service.errors import InputFailed
from service.manifest import Arrays, Manifest, Tensor
# end
# only: text-generation
from service.errors import Garbage, InputFailed, Refused
from service.manifest import Arrays, Manifest
# end
from service.owner import Parameters
from service.settings import Settings
# only: predict
from service.tensorflow_serving import connect

FULL_BATCH = 32
"""Rows that share a run with none: ``max_batch_size`` in ``model_server/batching.config``."""
# end
# only: text-generation
from service.tensorflow_serving import Left, connect
from service.texts import FinishReason, Prompt

SHORTEST = 16
MOST_END_TOKENS = 8
"""A request says with which tokens a text ends, in an array of this length."""
_REASONS: dict[int, FinishReason] = {1: "stop", 2: "length"}
_FAILED = 3
"""As ``lifecycle/generation_graph.py`` numbers them."""
# end


# only: predict
def signature_lengths(parameters: Parameters) -> list[int]:
    """The lengths to which inputs are padded, shortest first; none where all have one shape."""
    lengths: list[int] = getattr(parameters, "lengths", [])
    return lengths


def signature_name(length: int) -> str:
    """The signature for inputs of a length."""
    return f"length_{length}"
# end
# only: text-generation
def signature_lengths(parameters: Parameters) -> list[int]:
    """The lengths to which prompts are padded, shortest first; each four times the one before."""
    lengths = [SHORTEST]
    while lengths[-1] < parameters.context_length:
        lengths.append(min(4 * lengths[-1], parameters.context_length))
    return lengths


def signature_name(length: int) -> str:
    """The signature for prompts of a length."""
    return f"generate_{length}"
# end


class ModelServer:
    """One version of a model in TensorFlow Serving, for all threads of this process."""

    def __init__(self, settings: Settings, manifest: Manifest) -> None:
        self.manifest = manifest
        self.transport = connect(settings, manifest)
        self.is_ready = self.transport.is_ready
        self.close = self.transport.close
        self._parameters = Parameters.model_validate(manifest.parameters)
        self._lengths = signature_lengths(self._parameters)
        # only: predict
        self._dtypes = {tensor.name: tensor.dtype for tensor in manifest.signature.outputs}
        # end

    # only: predict
    def predict(self, batch: Arrays, *, timeout_seconds: float) -> Arrays:
        """The outputs for *batch*, as ``Server`` says."""
        length = self._length_of(batch)
        known = next((each for each in self._lengths if length and each >= length), None)
        if known is None:
            name = "serving_default"
        else:
            name = signature_name(known)
            batch = {
                tensor.name: _padded(batch[tensor.name], tensor, known)
                for tensor in self.manifest.signature.inputs
            }
        outputs = self._ask(name, batch, timeout_seconds)
        if known in {None, length}:
            return outputs
        return {
            tensor.name: outputs[tensor.name][_open_axes(tensor, length)]
            for tensor in self.manifest.signature.outputs
            if tensor.name in outputs
        }

    def _ask(self, name: str, batch: Arrays, seconds: float) -> Arrays:
        """The outputs of a signature.

        TensorFlow Serving fails all requests in a run of the model for an input in one of them, so
        one that fails is retried alone.
        """
        end = time.monotonic() + seconds
        try:
            return self.transport.predict(name, batch, self._dtypes, seconds=seconds)
        except InputFailed:
            left = end - time.monotonic()
            rows = len(next(iter(batch.values())))
            if left <= 0 or rows >= FULL_BATCH:
                raise
        full = {key: array[np.arange(FULL_BATCH) % rows] for key, array in batch.items()}
        outputs = self.transport.predict(name, full, self._dtypes, seconds=left)
        return {key: array[:rows] for key, array in outputs.items()}

    def _length_of(self, batch: Arrays) -> int:
        """How long the inputs are; 0 where all axes are fixed."""
        for tensor in self.manifest.signature.inputs:
            for axis, size in enumerate(tensor.shape[1:], start=1):
                if size is None:
                    return int(batch[tensor.name].shape[axis])
        return 0
    # end
    # only: text-generation
    def generate(
        self,
        prompt: Prompt,
        *,
        timeout_seconds: float,
        has_left: Callable[[], bool] | None = None,
    ) -> "Generator[int | FinishReason]":
        """The tokens that follow *prompt*, all at once, as ``Server`` says.

        TensorFlow Serving sends no part of an answer before the whole. It may go on with a text
        for which nobody waits.
        """
        length = len(prompt.tokens)
        known = next((each for each in self._lengths if each >= length), None)
        if known is None or len(prompt.end_tokens) > MOST_END_TOKENS:
            raise Refused(
                f"the prompt has {length} tokens and {len(prompt.end_tokens)} end tokens; at most "
                f"{self._lengths[-1]} and {MOST_END_TOKENS} are accepted"
            )
        try:
            outputs = self.transport.predict(
                signature_name(known),
                self._request(prompt, known),
                {"new_tokens": "int64", "standing": "int32"},
                seconds=timeout_seconds,
                has_left=has_left,
            )
        except Left:
            return
        tokens, standing = self._read(outputs)
        yield from tokens
        if standing == _FAILED:
            raise InputFailed("the model's logits are no numbers")
        yield _REASONS[standing]

    def _request(self, prompt: Prompt, length: int) -> Arrays:
        how = prompt.sampling
        tokens = np.zeros((1, length), np.int64)
        tokens[0, : len(prompt.tokens)] = prompt.tokens
        end_tokens = np.full((1, MOST_END_TOKENS), -1, np.int64)
        end_tokens[0, : len(prompt.end_tokens)] = sorted(prompt.end_tokens)
        # The numbers that the sampler of one sequence would draw, one for each token.
        uniforms = np.zeros((1, self._parameters.context_length))
        if how.temperature:
            drawn = how.random.random(prompt.max_new_tokens)
            uniforms[0, : len(drawn)] = drawn
        vocabulary = self._parameters.vocabulary_size
        return {
            "tokens": tokens,
            "lengths": np.array([len(prompt.tokens)], np.int64),
            "end_tokens": end_tokens,
            "uniforms": uniforms,
            "max_new_tokens": np.array([prompt.max_new_tokens], np.int64),
            "top_k": np.array([min(how.top_k, vocabulary)], np.int64),
            "temperature": np.array([how.temperature], np.float64),
            "top_p": np.array([how.top_p], np.float64),
            "repetition_penalty": np.array([how.repetition_penalty], np.float64),
            "presence_penalty": np.array([how.presence_penalty], np.float64),
            "frequency_penalty": np.array([how.frequency_penalty], np.float64),
        }

    def _read(self, outputs: Arrays) -> tuple[list[int], int]:
        """The tokens, and how the text has come to its end.

        Raises:
            Garbage: they are not what the signature says.
        """
        try:
            (row,), (standing,) = outputs["new_tokens"], outputs["standing"]
            tokens = [int(token) for token in row if token >= 0]
        except (KeyError, ValueError, TypeError) as error:
            raise Garbage(f"the answer has {sorted(outputs)}, and not one text") from error
        if int(standing) not in {*_REASONS, _FAILED}:
            raise Garbage(f"a text stands at {standing}")
        if any(token >= self._parameters.vocabulary_size for token in tokens):
            raise Garbage("a token is not in the vocabulary")
        return tokens, int(standing)
    # end
# only: predict


def _padded(array: npt.NDArray[Any], tensor: Tensor, length: int) -> npt.NDArray[Any]:
    """*array* with zeros behind what its open axes have."""
    widths = [
        (0, length - found if size is None and axis else 0)
        for axis, (size, found) in enumerate(zip(tensor.shape, array.shape, strict=True))
    ]
    return np.pad(array, widths)


def _open_axes(tensor: Tensor, length: int) -> tuple[slice, ...]:
    """What of a tensor belongs to inputs of *length*, and not to their padding."""
    behind = (slice(length) if size is None else slice(None) for size in tensor.shape[1:])
    return (slice(None), *behind)
# end
