"""Responses of the OpenAI API: whole, in chunks, and errors."""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import uuid4

from pydantic import BaseModel, Field

from service import errors
from service.errors import CallerError, NotFound, ProblemField
from service.manifest import Manifest, ModelVersion
from service.owner import Usage
from service.settings import PROJECT
from service.texts import FinishReason, Piece


class Model(BaseModel):
    """The model that is served."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(description="When it was made, in seconds since 1970.")
    owned_by: str

    @classmethod
    def of(cls, manifest: Manifest) -> "Model":
        created = datetime.fromisoformat(manifest.created_at)
        return cls(id=manifest.name, created=int(created.timestamp()), owned_by=PROJECT["name"])


class ModelList(BaseModel):
    """The models that are served: one."""

    object: Literal["list"] = "list"
    data: list[Model]


class _Answer(BaseModel):
    id: str
    created: int = Field(description="In seconds since 1970.")
    model: str
    system_fingerprint: str = Field(description="Name and version of the model.")


class CompletionChoice(BaseModel):
    """One text, or in a stream some more of it."""

    index: int
    text: str
    logprobs: None = None
    finish_reason: FinishReason | None


class TextCompletion(_Answer):
    """Texts that follow prompts; in a stream, some more of one."""

    object: Literal["text_completion"] = "text_completion"
    choices: list[CompletionChoice]
    usage: Usage | None = None


class ChatMessage(BaseModel):
    """The message that follows."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class ChatChoice(BaseModel):
    """One message that may follow."""

    index: int
    message: ChatMessage
    logprobs: None = None
    finish_reason: FinishReason


class ChatCompletion(_Answer):
    """Messages that follow a conversation."""

    object: Literal["chat.completion"] = "chat.completion"
    choices: list[ChatChoice]
    usage: Usage


class Delta(BaseModel):
    """Some more of a message."""

    role: Literal["assistant"] | None = Field(default=None, exclude_if=lambda role: role is None)
    content: str


class ChunkChoice(BaseModel):
    """Some more of one message."""

    index: int
    delta: Delta
    logprobs: None = None
    finish_reason: FinishReason | None


class ChatCompletionChunk(_Answer):
    """Some more of one of the messages that follow a conversation."""

    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    choices: list[ChunkChoice]
    usage: Usage | None = None


def _head(prefix: str, model: ModelVersion) -> dict[str, Any]:
    """What an answer of *model*, and each chunk of it, begins with."""
    return {
        "id": f"{prefix}-{uuid4().hex}",
        "created": int(time.time()),
        "model": model.name,
        "system_fingerprint": f"{model.name}-{model.version}",
    }


class CompletionWriter:
    """Writes the answer to a request for completions, whole or in chunks."""

    def __init__(self, model: ModelVersion) -> None:
        self._head = _head("cmpl", model)

    def whole(self, texts: Sequence[Piece], usage: Usage) -> TextCompletion:
        choices = [self._choice(each) for each in texts]
        return TextCompletion(**self._head, choices=choices, usage=usage)

    def opening(self, _count: int) -> list[TextCompletion]:
        """What comes before the texts."""
        return []

    def chunk(self, piece: Piece) -> TextCompletion:
        return TextCompletion(**self._head, choices=[self._choice(piece)])

    def closing(self, usage: Usage) -> TextCompletion:
        """What comes behind them."""
        return TextCompletion(**self._head, choices=[], usage=usage)

    def _choice(self, piece: Piece) -> CompletionChoice:
        return CompletionChoice(
            index=piece.number, text=piece.text, finish_reason=piece.finish_reason
        )


class ChatWriter:
    """Writes the answer to a request for chat completions, as ``CompletionWriter`` does."""

    def __init__(self, model: ModelVersion) -> None:
        self._head = _head("chatcmpl", model)

    def whole(self, texts: Sequence[Piece], usage: Usage) -> ChatCompletion:
        choices = [
            ChatChoice(
                index=each.number,
                message=ChatMessage(content=each.text),
                finish_reason=each.finish_reason,
            )
            for each in texts
        ]
        return ChatCompletion(**self._head, choices=choices, usage=usage)

    def opening(self, count: int) -> list[ChatCompletionChunk]:
        """What comes before the texts: it says whose messages follow."""
        return [self._chunk(index, Delta(role="assistant", content="")) for index in range(count)]

    def chunk(self, piece: Piece) -> ChatCompletionChunk:
        return self._chunk(piece.number, Delta(content=piece.text), piece.finish_reason)

    def closing(self, usage: Usage) -> ChatCompletionChunk:
        return ChatCompletionChunk(**self._head, choices=[], usage=usage)

    def _chunk(
        self, index: int, delta: Delta, finish_reason: FinishReason | None = None
    ) -> ChatCompletionChunk:
        choice = ChunkChoice(index=index, delta=delta, finish_reason=finish_reason)
        return ChatCompletionChunk(**self._head, choices=[choice])


_OURS = (
    errors.NotReady,
    errors.Stuck,
    errors.QueueFull,
    errors.DeadlineExceeded,
    errors.ModelFailed,
    errors.Unexpected,
)
"""What a caller cannot fix."""


class ModelNotFound(NotFound, code="model_not_found"):
    """Another model is served."""

    def __init__(self, wanted: str, served: str) -> None:
        detail = f"there is no model {wanted[:100]!r}; {served!r} is served"
        super().__init__(f"model: {detail}", fields=[ProblemField(field="model", detail=detail)])


class Error(BaseModel):
    """An error as the clients read it."""

    message: str
    type: str = Field(description="`invalid_request_error` or `server_error`.")
    param: str | None = Field(description="The first field that is wrong.")
    code: str = Field(description="As the problem's.")

    @classmethod
    def of(cls, error: CallerError) -> "Error":
        return cls(
            message=error.detail,
            type="server_error" if isinstance(error, _OURS) else "invalid_request_error",
            param=error.fields[0].field if error.fields else None,
            code=error.code,
        )
