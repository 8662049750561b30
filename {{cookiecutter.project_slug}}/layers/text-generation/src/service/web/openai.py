"""What the routes of the OpenAI API answer, whatever the web framework."""

from collections.abc import Iterator, Sequence

from service.owner import Usage
from service.texts import Generation, TextStream
from service.web import events
from service.web.generate import read_request
from service.web.openai_requests import (
    ChatRequest,
    CompletionRequest,
    TextRequest,
    chat_texts,
    completion_texts,
)
from service.web.openai_responses import (
    ChatWriter,
    CompletionWriter,
    Model,
    ModelList,
    ModelNotFound,
)
from service.web.requests import Context, Reply, Request


def models(context: Context, _request: Request) -> Reply:
    """The models."""
    return Reply.of(ModelList(data=[Model.of(context.pipeline.manifest)]))


def model(context: Context, request: Request) -> Reply:
    """One model.

    Raises:
        ModelNotFound: another is served.
    """
    _check_model(context, request.parameters["name"])
    return Reply.of(Model.of(context.pipeline.manifest))


def complete(context: Context, request: Request) -> Reply:
    """Go on with texts.

    Raises:
        CallerError: as for ``read_request``, ``Pipeline.generate`` and ``Pipeline.complete``.
        ModelNotFound: another model is served.
    """
    wanted = read_request(CompletionRequest, request)
    _check_model(context, wanted.model)
    texts = completion_texts(wanted, context.pipeline.task, context.settings.max_inputs)
    writer = CompletionWriter(context.pipeline.model_version)
    return _answer(context, request, wanted, texts, writer)


def chat(context: Context, request: Request) -> Reply:
    """Go on with a conversation.

    Raises:
        CallerError, ModelNotFound: as for ``complete``.
    """
    wanted = read_request(ChatRequest, request)
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
    if wanted.stream:
        stream = context.pipeline.generate(texts, timeout_seconds=seconds)
        has_usage = bool(wanted.stream_options and wanted.stream_options.include_usage)
        messages = _messages(stream, writer, len(texts), prompt_tokens if has_usage else None)
        return events.stream(request, messages, stream.close)
    completions = context.pipeline.complete(texts, timeout_seconds=seconds)
    usage = Usage.of(prompt_tokens, sum(each.new_tokens for each in completions))
    return Reply.of(writer.whole(completions, usage))


def _messages(
    stream: TextStream,
    writer: CompletionWriter | ChatWriter,
    count: int,
    prompt_tokens: int | None,
) -> Iterator[str | None]:
    """The chunks; without usage when *prompt_tokens* is ``None``."""
    left_out = {"usage"} if prompt_tokens is None else None
    for chunk in writer.opening(count):
        yield chunk.model_dump_json(exclude=left_out)
    for piece in stream.pieces():
        yield writer.chunk(piece).model_dump_json(exclude=left_out) if piece else None
    if prompt_tokens is not None:
        yield writer.closing(Usage.of(prompt_tokens, stream.new_tokens)).model_dump_json()
    yield "[DONE]"
