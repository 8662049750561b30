"""Requests and answers of text generation."""

from pydantic import BaseModel, ConfigDict, Field

from service.manifest import ModelVersion
from service.sampling import (
    FrequencyPenalty,
    NewTokens,
    PresencePenalty,
    RepetitionPenalty,
    Sampling,
    Seed,
    StopStrings,
    Temperature,
    TopK,
    TopP,
)
from service.texts import FinishReason


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
        description="`stop`: the text ended; `length`: a limit was reached."
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
