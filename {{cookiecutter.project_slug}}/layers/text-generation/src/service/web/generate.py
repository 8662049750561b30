"""``POST /generate``: a text in, its continuation out."""

from collections.abc import Iterator
from typing import TypeVar

from pydantic import BaseModel

from service.errors import BadValue, InvalidInput, UnsupportedMediaType
from service.owner import GenerateEvent, GenerateRequest, GenerateResponse, Usage
from service.texts import Generation, TextStream
from service.web import events
from service.web.requests import Context, Reply, Request, read_json, validate

Model = TypeVar("Model", bound=BaseModel)

_ACCEPTED = "application/json"


def generate(context: Context, request: Request) -> Reply:
    """Go on with a text.

    Raises:
        CallerError: as for ``read_request``, ``Pipeline.generate`` and ``Pipeline.complete``.
    """
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
    if wanted.stream:
        stream = pipeline.generate([generation], timeout_seconds=seconds)
        return events.stream(request, _messages(stream, len(tokens)), stream.close)
    (completion,) = pipeline.complete([generation], timeout_seconds=seconds)
    answer = GenerateResponse(
        generated_text=completion.text,
        finish_reason=completion.finish_reason,
        usage=Usage.of(len(tokens), completion.new_tokens),
        model=pipeline.model_version,
    )
    return Reply.of(answer)


def read_request(model: type[Model], request: Request) -> Model:
    """The body of *request*, as *model*.

    Raises:
        UnsupportedMediaType: the Content-Type is not JSON's.
        MalformedBody: the body is not JSON.
        InvalidInput: a field is missing, unknown or wrong.
    """
    media_type = request.content_type.partition(";")[0].strip().lower()
    if media_type != _ACCEPTED:
        found = request.content_type or "missing"
        raise UnsupportedMediaType(f"Content-Type is {found}; accepted: {_ACCEPTED}.")
    return validate(model, read_json(request.body))


def _messages(stream: TextStream, prompt_tokens: int) -> Iterator[str | None]:
    for piece in stream.pieces():
        if piece is None:
            yield None
            continue
        usage = Usage.of(prompt_tokens, stream.new_tokens) if piece.finish_reason else None
        event = GenerateEvent(text=piece.text, finish_reason=piece.finish_reason, usage=usage)
        yield event.model_dump_json()
