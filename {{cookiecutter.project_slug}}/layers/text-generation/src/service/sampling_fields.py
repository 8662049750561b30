"""How a request says how tokens are chosen: the fields that every protocol has."""

from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

_MOST_STOPS = 16
_LONGEST_STOP = 256

Temperature: TypeAlias = Annotated[
    float,
    Field(
        ge=0,
        le=2,
        allow_inf_nan=False,
        description="0 takes the most likely token always; higher is more varied.",
    ),
]
TopK: TypeAlias = Annotated[
    int, Field(ge=0, description="Only the so many most likely tokens; all when 0.")
]
TopP: TypeAlias = Annotated[
    float,
    Field(
        gt=0,
        le=1,
        allow_inf_nan=False,
        description="Only the most likely tokens whose probabilities add up to this.",
    ),
]
RepetitionPenalty: TypeAlias = Annotated[
    float,
    Field(
        ge=0.1,
        le=10,
        allow_inf_nan=False,
        description="Over 1 makes tokens of the prompt and the answer less likely.",
    ),
]
PresencePenalty: TypeAlias = Annotated[
    float,
    Field(
        ge=-2,
        le=2,
        allow_inf_nan=False,
        description="Taken from the logit of each token that is in the answer already.",
    ),
]
FrequencyPenalty: TypeAlias = Annotated[
    float,
    Field(
        ge=-2,
        le=2,
        allow_inf_nan=False,
        description="The same for each time that the token is in the answer.",
    ),
]
Seed: TypeAlias = Annotated[
    int, Field(ge=0, lt=2**63, description="The same seed gives the same text.")
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
