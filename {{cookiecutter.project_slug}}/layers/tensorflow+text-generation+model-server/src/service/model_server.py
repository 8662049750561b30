"""Tokens -> tokens: the model in TensorFlow Serving, which generates a whole text in one call."""

from collections.abc import Generator

import numpy as np

from service.lengths import MOST_END_TOKENS, signature_lengths, signature_name
from service.manifest import Arrays, Manifest
from service.owner import Parameters
from service.texts import FinishReason, Prompt
from service.server_connection import ServerConnection
from service.server_errors import Garbage, InputFailed, Refused
from service.settings import Settings

_REASONS: dict[int, FinishReason] = {1: "stop", 2: "length"}
_FAILED = 3
"""As ``lifecycle/generation_graph.py`` numbers them."""


class ModelServer(ServerConnection):
    """A model that generates, in TensorFlow Serving.

    Args:
        settings: where TensorFlow Serving is.
        manifest: the version's.
    """

    def __init__(self, settings: Settings, manifest: Manifest) -> None:
        super().__init__(settings, manifest)
        self._parameters = Parameters.model_validate(manifest.parameters)
        self._lengths = signature_lengths(self._parameters)

    def generate(
        self, prompt: Prompt, *, timeout_seconds: float
    ) -> "Generator[int | FinishReason]":
        """The tokens that follow *prompt*, all at once, as ``Server`` says.

        TensorFlow Serving sends no part of an answer before the whole, and goes on when nobody
        waits any more.

        Args:
            prompt: what is to be continued, and how.
            timeout_seconds: for the whole text.

        Raises:
            ServerError: there is no answer within the time, or it is none.
        """
        length = len(prompt.tokens)
        known = next((each for each in self._lengths if each >= length), None)
        if known is None or len(prompt.end_tokens) > MOST_END_TOKENS:
            raise Refused(
                f"the prompt has {length} tokens and {len(prompt.end_tokens)} end tokens; at most "
                f"{self._lengths[-1]} and {MOST_END_TOKENS} are accepted"
            )
        outputs = self.transport.predict(
            signature_name(known),
            self._request(prompt, known),
            {"new_tokens": "int64", "standing": "int32"},
            seconds=timeout_seconds,
        )
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
            drawn = np.random.default_rng(how.seed).random(prompt.max_new_tokens)
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
