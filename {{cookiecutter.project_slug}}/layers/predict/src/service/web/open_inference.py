"""What the routes of the Open Inference Protocol answer, whatever the web framework."""

import time
from collections.abc import Sequence

from openapi_pydantic import Header, MediaType, Response, Schema
from pydantic import BaseModel

from service.errors import BadValue, InvalidInput, NotFound
from service.manifest import Arrays, Tensor
from service.owner import Task
from service.settings import BACKEND, PROJECT
from service.web.handlers import livez, readyz
from service.web.openapi import media, parameter
from service.web.requests import Context, Reply, Request
from service.web.tensors import (
    HEADER_LENGTH,
    InferenceRequest,
    InferenceResponse,
    datatype,
    open_shape,
    read_request,
    write_response,
)

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


class ServerMetadata(BaseModel):
    """What the server is, and which extensions of the protocol it has."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(BaseModel):
    """One input or output of the model; -1 is an axis of any length."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    """What the model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ServerLive(BaseModel):
    """The server answers."""

    live: bool


class ServerReady(BaseModel):
    """The server's model is ready."""

    ready: bool


class ModelReady(BaseModel):
    """One model is ready."""

    name: str
    ready: bool


def server(_context: Context, _request: Request) -> Reply:
    """What this server is."""
    extensions = ["binary_tensor_data"]
    return Reply.of(
        ServerMetadata(name=PROJECT["name"], version=PROJECT["version"], extensions=extensions)
    )


def server_live(context: Context, request: Request) -> Reply:
    """As `/livez`."""
    livez(context, request)
    return Reply.of(ServerLive(live=True))


def server_ready(context: Context, request: Request) -> Reply:
    """As `/readyz`."""
    readyz(context, request)
    return Reply.of(ServerReady(ready=True))


def model(context: Context, request: Request) -> Reply:
    """What the model takes and gives."""
    _check_model(context, request)
    manifest = context.pipeline.manifest
    return Reply.of(
        ModelMetadata(
            name=manifest.name,
            versions=[str(manifest.version)],
            platform=f"{BACKEND}_{context.pipeline.format_name}",
            inputs=[_described(tensor) for tensor in manifest.signature.inputs],
            outputs=[_described(tensor) for tensor in manifest.signature.outputs],
        )
    )


def model_ready(context: Context, request: Request) -> Reply:
    """Is the model ready?"""
    _check_model(context, request)
    readyz(context, request)
    return Reply.of(ModelReady(name=request.parameters["name"], ready=True))


def infer(context: Context, request: Request) -> Reply:
    """Run the model on tensors."""
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
    """Refuse numbers that the task does not know; names the tensor, where there is but one."""
    for i, arrays in enumerate(inputs):
        try:
            task.check(arrays)
        except BadValue as error:
            field = "inputs[0]" if len(arrays) == 1 else "inputs"
            raise InvalidInput.of(field, f"number {i} of the batch: {error}") from None


def _described(tensor: Tensor) -> TensorMetadata:
    return TensorMetadata(name=tensor.name, datatype=datatype(tensor), shape=open_shape(tensor))
