"""How tokens are chosen: the fields of a request that say it, and logits -> the next token."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from service.errors import ModelFailed
from service.numerics import softmax

_FIRST_LOOK = 256
"""Tokens that hold nearly all of the probability, in nearly all cases; sorting all is slow."""
_MOST_STOPS = 16
_LONGEST_STOP = 256


def _between(least: float, most: float, description: str) -> Any:
    return Field(ge=least, le=most, allow_inf_nan=False, description=description)


Temperature: TypeAlias = Annotated[
    float, _between(0, 2, "0 takes the most likely token always; higher is more varied.")
]
TopK: TypeAlias = Annotated[
    int, Field(ge=0, description="Only the so many most likely tokens; all when 0.")
]
TopP: TypeAlias = Annotated[
    float, _between(0, 1, "Only the most likely tokens whose probabilities add up to this.")
]
RepetitionPenalty: TypeAlias = Annotated[
    float, _between(0.1, 10, "Over 1 makes tokens of the prompt and the answer less likely.")
]
PresencePenalty: TypeAlias = Annotated[
    float, _between(-2, 2, "Taken from the logit of each token that is in the answer already.")
]
FrequencyPenalty: TypeAlias = Annotated[
    float, _between(-2, 2, "The same for each time that the token is in the answer.")
]
Seed: TypeAlias = Annotated[
    int, Field(ge=-(2**63), lt=2**63, description="The same seed gives the same text.")
]
NewTokens: TypeAlias = Annotated[int, Field(ge=1, description="Most tokens of the answer.")]


def _stop_strings(value: Any) -> list[str]:
    strings = [value] if isinstance(value, str) else value
    if (
        not isinstance(strings, list)
        or len(strings) > _MOST_STOPS
        or not all(isinstance(each, str) and 1 <= len(each) <= _LONGEST_STOP for each in strings)
    ):
        raise PydanticCustomError(
            "stop_strings",
            f"a text of 1 to {_LONGEST_STOP} characters is accepted, or a list of at most "
            f"{_MOST_STOPS} such texts",
        )
    return strings


_STOP = {"type": "string", "minLength": 1, "maxLength": _LONGEST_STOP}
StopStrings: TypeAlias = Annotated[
    list[str],
    BeforeValidator(_stop_strings),
    WithJsonSchema({"anyOf": [_STOP, {"type": "array", "items": _STOP, "maxItems": _MOST_STOPS}]}),
    Field(description="Any of them ends the answer, and is no part of it."),
]


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen; a fresh seed when it is ``None``."""

    temperature: Temperature = 0.0
    top_k: TopK = 0
    top_p: TopP = 1.0
    repetition_penalty: RepetitionPenalty = 1.0  # https://arxiv.org/abs/1909.05858, section 4.1
    presence_penalty: PresencePenalty = 0.0
    frequency_penalty: FrequencyPenalty = 0.0
    seed: int | None = None

    @property
    def random(self) -> np.random.Generator:
        """What draws the tokens of a text; seeds of any sign and size differ."""
        return np.random.default_rng(None if self.seed is None else self.seed % 2**64)


class Sampler:
    """Chooses the tokens of one sequence that follows *prompt*, one after the other."""

    def __init__(self, sampling: Sampling, prompt: Sequence[int], vocabulary_size: int) -> None:
        self._sampling = sampling
        self._random = sampling.random
        self._seen = np.zeros(vocabulary_size, bool)
        self._seen[list(prompt)] = True
        self._counts = np.zeros(vocabulary_size, np.int32)  # in the answer

    def choose(self, logits: npt.NDArray[np.float32]) -> int:
        """The next token; ``ModelFailed`` where the largest logit is not finite.

        *logits* are ``(vocabulary,) float32``; minus infinity for a token that may not come.
        """
        if not np.isfinite(logits.max()):
            raise ModelFailed("The model's output is not a finite score for any token.")
        token = self._pick(self._penalise(logits.astype(np.float64)))
        self._seen[token] = True
        self._counts[token] += 1
        return token

    def _penalise(self, logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        how = self._sampling
        if how.repetition_penalty != 1:
            penalised = np.where(
                logits > 0, logits / how.repetition_penalty, logits * how.repetition_penalty
            )
            logits = np.where(self._seen, penalised, logits)
        if how.presence_penalty or how.frequency_penalty:
            present = how.presence_penalty * (self._counts > 0)
            logits = logits - present - how.frequency_penalty * self._counts
        return logits

    def _pick(self, logits: npt.NDArray[np.float64]) -> int:
        """The most likely token, or one drawn by its probability."""
        if self._sampling.temperature == 0:
            return int(logits.argmax())
        with np.errstate(over="ignore"):  # by a tiny temperature: to minus infinity
            probabilities = softmax((logits - logits.max()) / self._sampling.temperature)
        kept = self._kept(probabilities)
        sums = np.cumsum(probabilities[kept])
        drawn = int(np.searchsorted(sums, self._random.random() * sums[-1], side="right"))
        return int(kept[min(drawn, len(kept) - 1)])

    def _kept(self, probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
        """The tokens that ``top_k`` and then ``top_p`` leave."""
        top_k, top_p = self._sampling.top_k, self._sampling.top_p
        if not top_k and top_p >= 1:
            return np.arange(len(probabilities))
        count = min(top_k or len(probabilities), len(probabilities))
        ranked = _top(probabilities, min(count, _FIRST_LOOK))
        if count > len(ranked) and (top_k or probabilities[ranked].sum() < top_p):
            ranked = _top(probabilities, count)
        sums = np.cumsum(probabilities[ranked])
        total = sums[-1] if top_k else 1.0
        reached = int(np.searchsorted(sums, top_p * total))  # the token that reaches top_p is kept
        return ranked[: reached + 1] if top_p < 1 else ranked


def _top(values: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.intp]:
    """Indices of the *count* largest values, largest first; of equals the first."""
    if count >= len(values):
        return np.argsort(-values, kind="stable")
    least = -np.partition(-values, count - 1)[count - 1]
    above = np.flatnonzero(values > least)
    largest = np.concatenate([above, np.flatnonzero(values == least)[: count - len(above)]])
    return largest[np.lexsort((largest, -values[largest]))]
