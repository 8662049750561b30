"""Requests of the OpenAI API, and the texts that they ask for.

What https://developers.openai.com/api/reference says of models, completions and chat completions
holds, so that its official clients work; what the service cannot honour is refused by name.
``top_k`` and ``repetition_penalty`` are fields of this service's own.
"""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from service.errors import BadValue, InvalidInput
from service.owner import Task
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
from service.texts import Generation

DEFAULT_MAX_TOKENS = 16
"""Of a completion, as the protocol says; chat completions have no such default."""
_SAMPLING = {field.name for field in fields(Sampling)}
Value = TypeVar("Value")


class Only:
    """Marks a field that the service cannot honour; ``None`` and *neutral* values are accepted."""

    def __init__(self, neutral: Sequence[object] = ()) -> None:
        self._neutral = (None, *neutral)

    def __get_pydantic_core_schema__(
        self, _source: Any, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Accept neutral values."""
        return core_schema.no_info_plain_validator_function(self._check)

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """List the neutral values."""
        return {"enum": list(self._neutral), "description": "Not supported."}

    def _check(self, value: object) -> None:
        if not any(type(value) is type(each) and value == each for each in self._neutral):
            raise PydanticCustomError("not_supported", "not supported by this service")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class StreamOptions(_Strict):
    """What a stream has beside the text."""

    include_usage: bool | None = None
    include_obfuscation: Annotated[None, Only([False])] = None


class TextRequest(_Strict):
    """What both kinds of request for a text have."""

    model: str
    n: Annotated[int, Field(ge=1, description="Texts for each prompt.")] | None = None
    temperature: Temperature | None = Field(default=None, description="1 when null.")
    top_p: TopP | None = None
    top_k: TopK | None = None
    repetition_penalty: RepetitionPenalty | None = None
    presence_penalty: PresencePenalty | None = None
    frequency_penalty: FrequencyPenalty | None = None
    stop: StopStrings | None = None
    seed: Annotated[
        Seed | None, Field(description="The second of `n` texts has the next seed, and so on.")
    ] = None
    stream: bool | None = None
    stream_options: StreamOptions | None = Field(default=None, description="Only with `stream`.")
    user: str | None = Field(default=None, description="Not used.")
    logit_bias: Annotated[None, Only([{}])] = None

    @field_validator("stream_options")
    @classmethod
    def _only_of_a_stream(
        cls, value: StreamOptions | None, request: ValidationInfo
    ) -> StreamOptions | None:
        if value is not None and not request.data.get("stream"):
            raise PydanticCustomError("stream_options", "accepted only together with stream")
        return value


def _prompts(value: object) -> list[str | list[int]]:
    """One prompt or several, each a text or its tokens, as a list."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and value:
        if _are(int, value):
            return [value]
        if _are(str, value) or all(isinstance(each, list) and _are(int, each) for each in value):
            return value
    raise PydanticCustomError(
        "prompts", "a text, a list of texts, a list of tokens, or a list of such lists is accepted"
    )


def _are(kind: type, values: list[Any]) -> bool:
    return bool(values) and all(type(each) is kind for each in values)


_TEXT = {"type": "string"}
_TOKENS = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}
Prompts: TypeAlias = Annotated[
    list[str | list[int]],
    BeforeValidator(_prompts),
    WithJsonSchema(
        {
            "anyOf": [
                _TEXT,
                {"type": "array", "items": _TEXT, "minItems": 1},
                _TOKENS,
                {"type": "array", "items": _TOKENS, "minItems": 1},
            ]
        }
    ),
]


class CompletionRequest(TextRequest):
    """Texts to go on with."""

    prompt: Prompts
    max_tokens: NewTokens | None = Field(default=None, description="16 when null.")
    best_of: Annotated[None, Only([1])] = None
    echo: Annotated[None, Only([False])] = None
    logprobs: Annotated[None, Only()] = None
    suffix: Annotated[None, Only([""])] = None


class TextPart(_Strict):
    """A part of a message."""

    type: Literal["text"]
    text: str


def _parts(value: object) -> list[Any]:
    """The content of a message, which may be a text, as a list."""
    if isinstance(value, str):
        return [{"type": "text", "text": value}]
    if isinstance(value, list):
        return value
    raise PydanticCustomError("parts", "a text is accepted, or a list of parts with texts")


class Message(_Strict):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[
        list[TextPart], BeforeValidator(_parts, json_schema_input_type=str | list[TextPart])
    ]
    name: str | None = Field(default=None, description="The model's chat template may use it.")
    # What answers have as well, so that they can be put into the next request as they are.
    annotations: Annotated[None, Only([[]])] = None
    audio: Annotated[None, Only()] = None
    function_call: Annotated[None, Only()] = None
    refusal: Annotated[None, Only()] = None
    tool_calls: Annotated[None, Only([[]])] = None


class ChatRequest(TextRequest):
    """A conversation to go on with."""

    messages: Annotated[list[Message], Field(min_length=1)]
    max_completion_tokens: NewTokens | None = Field(
        default=None, description="As many as are accepted when null."
    )
    max_tokens: NewTokens | None = Field(
        default=None, description="The former name of `max_completion_tokens`."
    )
    prompt_cache_key: str | None = Field(default=None, description="Not used.")
    safety_identifier: str | None = Field(default=None, description="Not used.")
    audio: Annotated[None, Only()] = None
    function_call: Annotated[None, Only(["none"])] = None
    functions: Annotated[None, Only([[]])] = None
    logprobs: Annotated[None, Only([False])] = None
    metadata: Annotated[None, Only([{}])] = None
    modalities: Annotated[None, Only([["text"]])] = None
    moderation: Annotated[None, Only()] = None
    parallel_tool_calls: Annotated[None, Only([False, True])] = None
    prediction: Annotated[None, Only()] = None
    prompt_cache_options: Annotated[None, Only()] = None
    prompt_cache_retention: Annotated[None, Only()] = None
    reasoning_effort: Annotated[None, Only(["none"])] = None
    response_format: Annotated[None, Only([{"type": "text"}])] = None
    service_tier: Annotated[None, Only(["auto", "default"])] = None
    store: Annotated[None, Only([False])] = None
    tool_choice: Annotated[None, Only(["none", "auto"])] = None
    tools: Annotated[None, Only([[]])] = None
    top_logprobs: Annotated[None, Only([0])] = None
    verbosity: Annotated[None, Only(["medium"])] = None
    web_search_options: Annotated[None, Only()] = None

    @field_validator("max_tokens")
    @classmethod
    def _one_limit(cls, value: int | None, request: ValidationInfo) -> int | None:
        if value is not None and request.data.get("max_completion_tokens") is not None:
            raise PydanticCustomError(
                "max_tokens", "not accepted together with max_completion_tokens"
            )
        return value


def completion_texts(request: CompletionRequest, task: Task, max_inputs: int) -> list[Generation]:
    """``n`` texts for each prompt, in order.

    Raises:
        InvalidInput: a prompt cannot be read, or there are more than *max_inputs* texts.
    """
    count = len(request.prompt) * (request.n or 1)
    if count > max_inputs:
        field = "prompt" if len(request.prompt) > max_inputs else "n"
        raise InvalidInput.of(field, f"{count} texts; at most {max_inputs} are accepted")
    is_one = len(request.prompt) == 1
    names = ["prompt" if is_one else f"prompt[{i}]" for i in range(len(request.prompt))]
    prompts = [
        _readable(field, task.encode, prompt) if isinstance(prompt, str) else prompt
        for field, prompt in zip(names, request.prompt, strict=True)
    ]
    return [
        Generation(
            tokens,
            sampling,
            max_new_tokens=request.max_tokens or DEFAULT_MAX_TOKENS,
            stop=request.stop or (),
            prompt_field=field,
            limit_field="max_tokens",
        )
        for field, tokens in zip(names, prompts, strict=True)
        for sampling in _samplings(request)
    ]


def chat_texts(request: ChatRequest, task: Task, max_inputs: int) -> list[Generation]:
    """``n`` texts that go on with the conversation.

    Raises:
        InvalidInput: the conversation cannot be read, or there are more than *max_inputs* texts.
    """
    if (request.n or 1) > max_inputs:
        raise InvalidInput.of("n", f"{request.n} texts; at most {max_inputs} are accepted")
    messages = [_plain(message) for message in request.messages]
    tokens = _readable("messages", task.encode_chat, messages)
    return [
        Generation(
            tokens,
            sampling,
            max_new_tokens=request.max_completion_tokens or request.max_tokens,
            stop=request.stop or (),
            goes_on=False,
            prompt_field="messages",
            limit_field="max_tokens" if request.max_tokens else "max_completion_tokens",
        )
        for sampling in _samplings(request)
    ]


def _samplings(request: TextRequest) -> list[Sampling]:
    """How each of the ``n`` texts for one prompt is chosen."""
    given = request.model_dump(include=_SAMPLING, exclude_none=True)
    first = Sampling(**{"temperature": 1.0, **given})
    return [
        first if first.seed is None else replace(first, seed=first.seed + i)
        for i in range(request.n or 1)
    ]


def _readable(field: str, encode: Callable[[Value], list[int]], value: Value) -> list[int]:
    """The tokens of what stands in *field*."""
    try:
        return encode(value)
    except BadValue as error:
        raise InvalidInput.of(field, str(error)) from None


def _plain(message: Message) -> dict[str, str]:
    """*message* as chat templates know it."""
    role = "system" if message.role == "developer" else message.role
    plain = {"role": role, "content": "\n".join(part.text for part in message.content)}
    return plain | ({"name": message.name} if message.name else {})
