"""Handlers of the service's own routes that call the model, for every web framework."""

from collections.abc import Iterator

from service.errors import BadValue, InvalidInput
from service.inputs import read_request
from service.owner import GenerateEvent, GenerateRequest, GenerateResponse, Usage
from service.texts import Generation, TextStream
from service.web.events import Events
from service.web.handlers import Context, Reply, timeout_seconds


def generate(
    context: Context, content_type: str, body: bytes, timeout: str | None
) -> Reply | Events:
    """Go on with the text in *body*.

    Args:
        context: pipeline and limits.
        content_type: of the request; may be empty.
        body: of the request.
        timeout: the header X-Request-Timeout, in seconds, where the caller sent it.

    Raises:
        CallerError: as for ``read_request``, ``Pipeline.generate`` and ``Pipeline.complete``.
    """
    request = read_request(GenerateRequest, content_type, body)
    seconds = timeout_seconds(timeout, context.settings.request_timeout_seconds)
    pipeline = context.pipeline
    try:
        tokens = pipeline.task.encode(request.text)
    except BadValue as error:
        raise InvalidInput.of("text", str(error)) from None
    generation = Generation(
        tokens, request.sampling, max_new_tokens=request.max_new_tokens, stop=request.stop or ()
    )
    if request.stream:
        stream = pipeline.generate([generation], timeout_seconds=seconds)
        return Events(_messages(stream, len(tokens)), stream.close)
    (completion,) = pipeline.complete([generation], timeout_seconds=seconds)
    answer = GenerateResponse(
        generated_text=completion.text,
        finish_reason=completion.finish_reason,
        usage=Usage.of(len(tokens), completion.new_tokens),
        model=pipeline.model_version,
    )
    return Reply(answer.model_dump_json().encode())


def _messages(stream: TextStream, prompt_tokens: int) -> Iterator[str | None]:
    for piece in stream.pieces():
        if piece is None:
            yield None
            continue
        usage = Usage.of(prompt_tokens, stream.new_tokens) if piece.finish_reason else None
        event = GenerateEvent(text=piece.text, finish_reason=piece.finish_reason, usage=usage)
        yield event.model_dump_json()
