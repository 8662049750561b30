"""Requests of the OpenAI API, and the texts that they ask for.

What https://developers.openai.com/api/reference says of models, completions and chat completions
holds, so that its official clients work. :data:`NOT_SUPPORTED` is refused by name; fields that are
not named here change nothing and are ignored. ``top_k`` and ``repetition_penalty`` are fields of
this service's own.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from itertools import islice
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from service.errors import BadValue, ContextLengthExceeded, InvalidInput, ProblemField, TooLong
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
NOT_SUPPORTED: Mapping[str, tuple[object, ...]] = {
    "audio": (),
    "best_of": (1,),
    "echo": (False,),
    "function_call": ("none",),
    "functions": ([],),
    "logit_bias": ({},),
    "logprobs": (False,),
    "modalities": (["text"],),
    "prediction": (),
    "response_format": ({"type": "text"},),
    "suffix": ("",),
    "tool_calls": ([],),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
    "top_logprobs": (0,),
    "web_search_options": (),
}
"""Fields of requests and messages that would change the answer, and values that change nothing, as
``null`` does. ``tools`` are not used either where ``tool_choice`` is ``none``."""
_MOST_NAMED = 100
_SAMPLING = {field.name for field in fields(Sampling)}
Value = TypeVar("Value")


def check_supported(body: object) -> None:
    """Refuse what the service cannot do; names each field that wants it, in messages too."""
    if not isinstance(body, dict):
        return
    found = [*islice(_unsupported(body), _MOST_NAMED)]
    if found:
        raise InvalidInput(f"{found[0].field}: {found[0].detail}", fields=found)


def _unsupported(body: dict[str, Any]) -> Iterator[ProblemField]:
    messages = body.get("messages")
    if body.get("tool_choice") == "none":
        body = {**body, "tools": None}
    parts: list[tuple[str, Any]] = [("", body)]
    if isinstance(messages, list):
        parts += [(f"messages[{i}].", each) for i, each in enumerate(messages)]
    for where, part in parts:
        for name in NOT_SUPPORTED.keys() & part if isinstance(part, dict) else ():
            if not _changes_nothing(part[name], NOT_SUPPORTED[name]):
                detail = "not supported by this service; leave it out"
                yield ProblemField(field=where + name, detail=detail)


def _changes_nothing(value: object, neutral: tuple[object, ...]) -> bool:
    return value is None or any(type(value) is type(each) and value == each for each in neutral)


def _describe(schema: dict[str, Any]) -> None:
    """Say in *schema* which fields are not supported."""
    for name, neutral in NOT_SUPPORTED.items():
        described = {"enum": [None, *neutral], "description": "Not supported."}
        schema["properties"].setdefault(name, described)


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class StreamOptions(_Lenient):
    """What a stream has beside the text."""

    include_usage: bool | None = None


class TextRequest(_Lenient):
    """What both kinds of request for a text have."""

    model_config = ConfigDict(json_schema_extra=_describe)

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


class TextPart(_Lenient):
    """A part of a message."""

    type: Literal["text"]
    text: str


def _parts(value: object) -> list[Any]:
    """The content of a message, which may be a text or nothing, as a list."""
    if value is None or isinstance(value, str):
        return [{"type": "text", "text": value or ""}]
    if isinstance(value, list):
        return value
    raise PydanticCustomError("parts", "a text is accepted, or a list of parts with texts")


class Message(_Lenient):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[
        list[TextPart], BeforeValidator(_parts, json_schema_input_type=str | list[TextPart] | None)
    ]
    name: str | None = Field(default=None, description="The model's chat template may use it.")
    tool_call_id: str | None = Field(default=None, description="The same.")


class ChatRequest(TextRequest):
    """A conversation to go on with."""

    messages: Annotated[list[Message], Field(min_length=1)]
    max_completion_tokens: NewTokens | None = Field(
        default=None, description="As many as are accepted when null."
    )
    max_tokens: NewTokens | None = Field(
        default=None, description="The former name of `max_completion_tokens`."
    )


def completion_texts(request: CompletionRequest, task: Task, max_inputs: int) -> list[Generation]:
    """``n`` texts for each prompt, in order; ``InvalidInput`` where one is wrong, or too many."""
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
        )
        for field, tokens in zip(names, prompts, strict=True)
        for sampling in _samplings(request)
    ]


def chat_texts(request: ChatRequest, task: Task, max_inputs: int) -> list[Generation]:
    """``n`` texts that go on with the conversation; errors are as for completions."""
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
    except TooLong as error:
        raise ContextLengthExceeded.of(field, str(error)) from None
    except BadValue as error:
        raise InvalidInput.of(field, str(error)) from None


def _plain(message: Message) -> dict[str, str]:
    """*message* as chat templates know it."""
    role = "system" if message.role == "developer" else message.role
    content = "\n".join(part.text for part in message.content)
    more = message.model_dump(include={"name", "tool_call_id"}, exclude_none=True)
    return {"role": role, "content": content, **more}
