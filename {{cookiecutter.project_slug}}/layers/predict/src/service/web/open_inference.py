"""What the routes of the Open Inference Protocol answer, whatever the web framework."""

import time
from collections.abc import Sequence

from openapi_pydantic import Header, MediaType, Response, Schema
from pydantic import BaseModel

from service.errors import BadValue, InvalidInput, NotFound
from service.manifest import Arrays
from service.owner import Task
from service.protocols.open_inference import HEADER_LENGTH
from service.protocols.open_inference.messages import (
    InferenceRequest,
    InferenceResponse,
    ModelReady,
    ServerLive,
    ServerReady,
)
from service.protocols.open_inference.metadata import model_metadata, server_metadata
from service.protocols.open_inference.request import read_request
from service.protocols.open_inference.response import write_response
from service.web.handlers import check_live, check_ready
from service.web.openapi import media, parameter
from service.web.requests import Context, Reply, Request

_BINARY = MediaType(media_type_schema=Schema(type="string", schema_format="binary"))
_LENGTH_MEANING = "Bytes of the body that are JSON, where tensors in bytes follow."
_LENGTH_SCHEMA = Schema(type="integer", minimum=0)
LENGTH = parameter(HEADER_LENGTH, "header", _LENGTH_MEANING, _LENGTH_SCHEMA)
BODY = {"application/json": media(InferenceRequest), "application/octet-stream": _BINARY}
ANSWER = Response(
    description="The outputs, in JSON or, where asked for, in bytes behind it.",
    content={"application/json": media(InferenceResponse), "application/octet-stream": _BINARY},
    headers={HEADER_LENGTH: Header(description=_LENGTH_MEANING, param_schema=_LENGTH_SCHEMA)},
)


def server(_context: Context, _request: Request) -> Reply:
    """What this server is."""
    return _reply(server_metadata())


def server_live(context: Context, _request: Request) -> Reply:
    """As ``/livez``."""
    check_live(context)
    return _reply(ServerLive(live=True))


def server_ready(context: Context, _request: Request) -> Reply:
    """As ``/readyz``."""
    check_ready(context)
    return _reply(ServerReady(ready=True))


def model(context: Context, request: Request) -> Reply:
    """What the model takes and gives.

    Raises:
        NotFound: another model is served, or another version.
    """
    _check_model(context, request)
    return _reply(model_metadata(context.pipeline.manifest, context.pipeline.format_name))


def model_ready(context: Context, request: Request) -> Reply:
    """As ``/readyz``, for one model.

    Raises:
        NotFound: another model is served, or another version.
    """
    _check_model(context, request)
    check_ready(context)
    return _reply(ModelReady(name=request.parameters["name"], ready=True))


def infer(context: Context, request: Request) -> Reply:
    """Run the model on tensors.

    Raises:
        CallerError: as for ``read_request``, ``write_response`` and ``Pipeline.run``.
        NotFound: another model is served, or another version.
    """
    _check_model(context, request)
    pipeline, settings = context.pipeline, context.settings
    seconds = request.timeout_seconds(settings.request_timeout_seconds)
    deadline = time.monotonic() + seconds
    with context.metrics.preprocess_seconds.time():
        inference = read_request(
            request.body,
            request.header(HEADER_LENGTH),
            signature=pipeline.manifest.signature,
            max_inputs=settings.max_inputs,
        )
        _check_values(pipeline.task, inference.inputs)
    outputs = pipeline.run(inference.inputs, deadline=deadline)
    answer, json_bytes = write_response(inference, pipeline.model_version, outputs)
    if json_bytes is None:
        return Reply(answer)
    return Reply(answer, "application/octet-stream", headers={HEADER_LENGTH: str(json_bytes)})


def _check_model(context: Context, request: Request) -> None:
    served = context.pipeline.model_version
    name, version = request.parameters["name"], request.parameters.get("version")
    if name != served.name:
        raise NotFound(f"There is no model {name[:100]!r}; {served.name!r} is served.")
    if version not in {None, str(served.version)}:
        raise NotFound(f"There is no version {version[:100]!r}; {served.version} is served.")


def _check_values(task: Task, inputs: Sequence[Arrays]) -> None:
    """Refuse numbers that the task does not know.

    Raises:
        InvalidInput: names the tensor, where there is but one.
    """
    for i, arrays in enumerate(inputs):
        try:
            task.check(arrays)
        except BadValue as error:
            field = "inputs[0]" if len(arrays) == 1 else "inputs"
            raise InvalidInput.of(field, f"number {i} of the batch: {error}") from None


def _reply(message: BaseModel) -> Reply:
    return Reply(message.model_dump_json().encode())
