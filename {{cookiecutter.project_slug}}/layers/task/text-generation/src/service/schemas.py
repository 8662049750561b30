"""Requests and answers of text generation."""

from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from service.manifest import ModelVersion
from service.sampling import Sampling
from service.sequences import FinishReason

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


class GenerateRequest(BaseModel):
    """A text to go on with, and how."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: str
    max_new_tokens: NewTokens | None = Field(
        default=None, description="Most tokens of the answer; as many as are accepted when null."
    )
    temperature: Temperature = 0
    top_k: TopK = 0
    top_p: TopP = 1
    repetition_penalty: RepetitionPenalty = 1
    presence_penalty: PresencePenalty = 0
    frequency_penalty: FrequencyPenalty = 0
    stop: StopStrings | None = None
    seed: Seed | None = None
    stream: bool = Field(default=False, description="Answer with server-sent events.")

    @property
    def sampling(self) -> Sampling:
        """How the tokens of the answer are chosen."""
        return Sampling(
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            repetition_penalty=self.repetition_penalty,
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            seed=self.seed,
        )


class Usage(BaseModel):
    """How many tokens were read and given."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int

    @classmethod
    def of(cls, prompt_tokens: int, completion_tokens: int) -> "Usage":
        """Both, and their sum."""
        return cls(
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            total_tokens=prompt_tokens + completion_tokens,
        )


class GenerateResponse(BaseModel):
    """The text that follows the prompt."""

    generated_text: str
    finish_reason: FinishReason = Field(
        description="`stop`: the text came to its end; `length`: there was room for no more."
    )
    usage: Usage
    model: ModelVersion


class GenerateEvent(BaseModel):
    """Some more of the text; the data of one server-sent event."""

    text: str = Field(description="What follows the former piece.")
    finish_reason: FinishReason | None = Field(
        default=None, description="Null but in the last event."
    )
    usage: Usage | None = Field(default=None, description="Null but in the last event.")
