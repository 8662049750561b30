"""What the routes of the OpenAI API answer, whatever the web framework."""

from collections.abc import Iterator, Sequence

from service.inputs import read_request
from service.owner import Usage
from service.protocols.openai import generations
from service.protocols.openai.answers import ChatWriter, CompletionWriter, Model, ModelList
from service.protocols.openai.errors import ModelNotFound
from service.protocols.openai.requests import ChatRequest, CompletionRequest, TextRequest
from service.texts import Generation, TextStream
from service.web.events import Events
from service.web.handlers import Context, Reply, timeout_seconds


def models(context: Context) -> Reply:
    """The models that are served."""
    answer = ModelList(data=[Model.of(context.pipeline.manifest)])
    return Reply(answer.model_dump_json().encode())


def model(context: Context, name: str) -> Reply:
    """The model called *name*.

    Raises:
        ModelNotFound: another is served.
    """
    _check_model(context, name)
    return Reply(Model.of(context.pipeline.manifest).model_dump_json().encode())


def complete(
    context: Context, content_type: str, body: bytes, timeout: str | None
) -> Reply | Events:
    """Go on with the texts in *body*.

    Args:
        context: pipeline and limits.
        content_type: of the request; may be empty.
        body: of the request.
        timeout: the header X-Request-Timeout, in seconds, where the caller sent it.

    Raises:
        CallerError: as for ``read_request``, ``Pipeline.generate`` and ``Pipeline.complete``.
        ModelNotFound: another model is served.
    """
    request = read_request(CompletionRequest, content_type, body)
    _check_model(context, request.model)
    wanted = generations.of_completion(request, context.pipeline.task, context.settings.max_inputs)
    writer = CompletionWriter(context.pipeline.model_version)
    return _answer(context, request, wanted, writer, timeout)


def chat(context: Context, content_type: str, body: bytes, timeout: str | None) -> Reply | Events:
    """Go on with the conversation in *body*; arguments and errors are those of :func:`complete`."""
    request = read_request(ChatRequest, content_type, body)
    _check_model(context, request.model)
    wanted = generations.of_chat(request, context.pipeline.task, context.settings.max_inputs)
    writer = ChatWriter(context.pipeline.model_version)
    return _answer(context, request, wanted, writer, timeout)


def _check_model(context: Context, name: str) -> None:
    served = context.pipeline.model_version.name
    if name != served:
        raise ModelNotFound(name, served)


def _answer(
    context: Context,
    request: TextRequest,
    wanted: Sequence[Generation],
    writer: CompletionWriter | ChatWriter,
    timeout: str | None,
) -> Reply | Events:
    seconds = timeout_seconds(timeout, context.settings.request_timeout_seconds)
    # A prompt is read once for each of its n texts, but counts once.
    prompt_tokens = sum(len(each.tokens) for each in wanted[:: request.n or 1])
    if request.stream:
        stream = context.pipeline.generate(wanted, timeout_seconds=seconds)
        has_usage = bool(request.stream_options and request.stream_options.include_usage)
        messages = _messages(stream, writer, len(wanted), prompt_tokens if has_usage else None)
        return Events(messages, stream.close)
    completions = context.pipeline.complete(wanted, timeout_seconds=seconds)
    usage = Usage.of(prompt_tokens, sum(each.new_tokens for each in completions))
    return Reply(writer.whole(completions, usage).model_dump_json().encode())


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
