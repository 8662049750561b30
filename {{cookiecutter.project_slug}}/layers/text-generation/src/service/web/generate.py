"""What the routes of texts answer: ``/generate``, and the OpenAI API's under ``/v1``.

Streams are server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from openapi_pydantic import Response
from pydantic import BaseModel
from structlog.contextvars import bind_contextvars

from service.errors import BadValue, CallerError, InvalidInput, Unexpected, UnsupportedMediaType
from service.logs import log
from service.owner import GenerateEvent, GenerateRequest, GenerateResponse, Usage
from service.pipeline import Pipeline
from service.smoke import Example
from service.texts import Generation, TextStream
from service.web.openai_requests import (
    ChatRequest,
    CompletionRequest,
    TextRequest,
    chat_texts,
    check_supported,
    completion_texts,
)
from service.web.openai_responses import (
    ChatWriter,
    CompletionWriter,
    Model,
    ModelList,
    ModelNotFound,
)
from service.web.openapi import media
from service.web.requests import Context, Reply, Request, read_json, to_problem, validate

Message = TypeVar("Message", bound=BaseModel)

_ACCEPTED = "application/json"
EVENTS = "text/event-stream"
_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
"""So that nobody between the service and its caller keeps events back."""

_KEEP_ALIVE = b": keep-alive\n\n"
_ESCAPES = str.maketrans({"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"})
"""JSON lets these characters stand, and some clients take them for the end of a line."""


def generate(context: Context, request: Request) -> Reply:
    """Go on with a text."""
    wanted = read_request(GenerateRequest, request)
    seconds = request.timeout_seconds(context.settings.request_timeout_seconds)
    pipeline = context.pipeline
    try:
        tokens = pipeline.task.encode(wanted.text)
    except BadValue as error:
        raise InvalidInput.of("text", str(error)) from None
    generation = Generation(
        tokens, wanted.sampling, max_new_tokens=wanted.max_new_tokens, stop=wanted.stop or ()
    )
    stream = pipeline.generate([generation], timeout_seconds=seconds)
    request.when_left(stream.close)
    request.uses_tokens(len(tokens), lambda: stream.new_tokens)
    if wanted.stream:
        return _stream(request, _events(stream, len(tokens)), stream)
    (whole,) = stream.whole()
    answer = GenerateResponse(
        generated_text=whole.text,
        finish_reason=whole.finish_reason,
        usage=Usage.of(len(tokens), stream.new_tokens),
        model=pipeline.model_version,
    )
    return Reply.of(answer)


def models(context: Context, _request: Request) -> Reply:
    """The models."""
    return Reply.of(ModelList(data=[Model.of(context.pipeline.manifest)]))


def model(context: Context, request: Request) -> Reply:
    """One model."""
    _check_model(context, request.parameters["name"])
    return Reply.of(Model.of(context.pipeline.manifest))


def complete(context: Context, request: Request) -> Reply:
    """Go on with texts."""
    wanted = read_request(CompletionRequest, request, check_supported)
    _check_model(context, wanted.model)
    texts = completion_texts(wanted, context.pipeline.task, context.settings.max_inputs)
    writer = CompletionWriter(context.pipeline.model_version)
    return _answer(context, request, wanted, texts, writer)


def chat(context: Context, request: Request) -> Reply:
    """Go on with a conversation."""
    wanted = read_request(ChatRequest, request, check_supported)
    _check_model(context, wanted.model)
    texts = chat_texts(wanted, context.pipeline.task, context.settings.max_inputs)
    writer = ChatWriter(context.pipeline.model_version)
    return _answer(context, request, wanted, texts, writer)


def _check_model(context: Context, name: str) -> None:
    served = context.pipeline.model_version.name
    if name != served:
        raise ModelNotFound(name, served)


def _answer(
    context: Context,
    request: Request,
    wanted: TextRequest,
    texts: Sequence[Generation],
    writer: CompletionWriter | ChatWriter,
) -> Reply:
    seconds = request.timeout_seconds(context.settings.request_timeout_seconds)
    # A prompt is read once for each of its n texts, but counts once.
    prompt_tokens = sum(len(each.tokens) for each in texts[:: wanted.n or 1])
    stream = context.pipeline.generate(texts, timeout_seconds=seconds)
    request.when_left(stream.close)
    request.uses_tokens(prompt_tokens, lambda: stream.new_tokens)
    if wanted.stream:
        has_usage = bool(wanted.stream_options and wanted.stream_options.include_usage)
        messages = _messages(stream, writer, len(texts), prompt_tokens if has_usage else None)
        return _stream(request, messages, stream)
    pieces = stream.whole()
    return Reply.of(writer.whole(pieces, Usage.of(prompt_tokens, stream.new_tokens)))


def _messages(
    stream: TextStream,
    writer: CompletionWriter | ChatWriter,
    count: int,
    prompt_tokens: int | None,
) -> Iterator[str | None]:
    """Chunks of *stream*; without usage when *prompt_tokens* is ``None``."""
    left_out = {"usage"} if prompt_tokens is None else None
    for chunk in writer.opening(count):
        yield chunk.model_dump_json(exclude=left_out)
    for piece in stream.pieces():
        yield writer.chunk(piece).model_dump_json(exclude=left_out) if piece else None
    if prompt_tokens is not None:
        yield writer.closing(Usage.of(prompt_tokens, stream.new_tokens)).model_dump_json()
    yield "[DONE]"


def _events(stream: TextStream, prompt_tokens: int) -> Iterator[str | None]:
    for piece in stream.pieces():
        if piece is None:
            yield None
            continue
        usage = Usage.of(prompt_tokens, stream.new_tokens) if piece.finish_reason else None
        event = GenerateEvent(text=piece.text, finish_reason=piece.finish_reason, usage=usage)
        yield event.model_dump_json()


def _stream(request: Request, messages: Iterator[str | None], stream: TextStream) -> Reply:
    return Reply(_EventStream(request, messages, stream.close), EVENTS, headers=_HEADERS)


class _EventStream:
    """Events as a WSGI server sends them: each message is one line, ``None`` a keep-alive.

    What goes wrong becomes an event ``error``, because the status is out already. *close* is called
    once. No generator: one that was never begun runs nothing when it is closed, and a caller may
    leave before the first event.
    """

    def __init__(
        self, request: Request, messages: Iterator[str | None], close: Callable[[], None]
    ) -> None:
        self._request = request
        self._messages = messages
        self._close = close
        self._is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._is_closed:
            raise StopIteration
        try:
            message = next(self._messages)
        except StopIteration:
            self.close()
            raise
        except CallerError as error:
            return self._end_with(error)
        except Exception:  # noqa: BLE001  # a bug, which no caller should have to guess
            log.exception("unexpected_error")
            return self._end_with(Unexpected())
        if message is None:
            return _KEEP_ALIVE
        return f"data: {message.translate(_ESCAPES)}\n\n".encode()

    def close(self) -> None:
        """Say that nothing more is wanted; the server does so too when a caller leaves."""
        if not self._is_closed:
            self._is_closed = True
            self._close()

    def _end_with(self, error: CallerError) -> bytes:
        self.close()
        bind_contextvars(reason=error.code)
        _, _, body = to_problem(error, self._request.path, self._request.id)
        return b"event: error\ndata: " + body + b"\n\n"


def read_request(
    model: type[Message], request: Request, check: Callable[[object], None] = lambda _: None
) -> Message:
    """The body of *request*, as *model*; *check* sees it before.

    ``UnsupportedMediaType``, ``MalformedBody`` and ``InvalidInput`` where it is none.
    """
    media_type = request.content_type.partition(";")[0].strip().lower()
    if media_type != _ACCEPTED:
        found = request.content_type or "missing"
        raise UnsupportedMediaType(f"Content-Type is {found}; accepted: {_ACCEPTED}.")
    body = read_json(request.body)
    check(body)
    return validate(model, body)


def described(answer: type[BaseModel], event: type[BaseModel]) -> Response:
    """A text, whole as *answer* or in events whose data is *event*."""
    return Response(
        description="The text; with `stream`, server-sent events, whose data is as described here. "
        "What goes wrong behind the first becomes an event `error`, whose data is a problem.",
        content={"application/json": media(answer), EVENTS: media(event)},
    )


def bodies(pipeline: Pipeline, examples: list[Example]) -> dict[str, dict[str, Any]]:
    """Bodies of *examples*, by path and Content-Type; ``ValueError`` where one is not JSON."""
    name = pipeline.model_version.name
    requests = {each.route: json.loads(each.path.read_bytes()) for each in reversed(examples)}
    for route, request in requests.items():
        if route.startswith("/v1/"):
            request["model"] = name
    if "/generate" in requests:
        requests["/v1/completions"] = {"model": name, "prompt": requests["/generate"]["text"]}
    return {route: {"application/json": request} for route, request in requests.items()}
