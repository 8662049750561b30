"""Requests of the OpenAI API -> calls of the pipeline."""

from collections.abc import Callable, Sequence

from service.errors import BadValue, InvalidInput
from service.owner import Task
from service.protocols.openai.requests import ChatRequest, CompletionRequest, Message, TextRequest
from service.sampling import Sampling
from service.texts import Generation

DEFAULT_MAX_TOKENS = 16
"""Of a completion, as the protocol says; chat completions have no such default."""


def of_completion(request: CompletionRequest, task: Task, max_inputs: int) -> list[Generation]:
    """``n`` texts for each prompt, in order.

    Raises:
        InvalidInput: a prompt cannot be read, or there are more than *max_inputs* texts.
    """
    count = len(request.prompt) * (request.n or 1)
    if count > max_inputs:
        field = "prompt" if len(request.prompt) > max_inputs else "n"
        raise InvalidInput.of(field, f"{count} texts; at most {max_inputs} are accepted")
    is_one = len(request.prompt) == 1
    fields = ["prompt" if is_one else f"prompt[{i}]" for i in range(len(request.prompt))]
    return [
        Generation(
            tokens,
            sampling,
            max_new_tokens=request.max_tokens or DEFAULT_MAX_TOKENS,
            stop=request.stop or (),
            prompt_field=field,
            limit_field="max_tokens",
        )
        for field, prompt in zip(fields, request.prompt, strict=True)
        for tokens in [_tokens(task, field, prompt)]
        for sampling in _samplings(request)
    ]


def of_chat(request: ChatRequest, task: Task, max_inputs: int) -> list[Generation]:
    """``n`` texts that go on with the conversation.

    Raises:
        InvalidInput: the conversation cannot be read, or there are more than *max_inputs* texts.
    """
    if (request.n or 1) > max_inputs:
        raise InvalidInput.of("n", f"{request.n} texts; at most {max_inputs} are accepted")
    messages = [_plain(message) for message in request.messages]
    tokens = _readable("messages", lambda: task.encode_chat(messages))
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

    def given(value: float | None, default: float) -> float:
        return default if value is None else value

    return [
        Sampling(
            temperature=given(request.temperature, 1),
            top_k=request.top_k or 0,
            top_p=given(request.top_p, 1),
            repetition_penalty=given(request.repetition_penalty, 1),
            presence_penalty=given(request.presence_penalty, 0),
            frequency_penalty=given(request.frequency_penalty, 0),
            seed=None if request.seed is None else request.seed + i,
        )
        for i in range(request.n or 1)
    ]


def _tokens(task: Task, field: str, prompt: str | list[int]) -> Sequence[int]:
    if isinstance(prompt, str):
        return _readable(field, lambda: task.encode(prompt))
    return prompt


def _readable(field: str, encode: Callable[[], list[int]]) -> list[int]:
    try:
        return encode()
    except BadValue as error:
        raise InvalidInput.of(field, str(error)) from None


def _plain(message: Message) -> dict[str, str]:
    """*message* as chat templates know it."""
    role = "system" if message.role == "developer" else message.role
    plain = {"role": role, "content": "\n".join(part.text for part in message.content)}
    return plain | ({"name": message.name} if message.name else {})
