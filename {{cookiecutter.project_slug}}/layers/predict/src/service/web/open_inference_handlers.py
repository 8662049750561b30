"""What the routes of the Open Inference Protocol answer, whatever the web framework."""

import time
from collections.abc import Sequence

from pydantic import BaseModel

from service.errors import BadValue, InvalidInput, NotFound
from service.manifest import Arrays
from service.owner import Task
from service.protocols.open_inference import HEADER_LENGTH
from service.protocols.open_inference.messages import ModelReady, ServerLive, ServerReady
from service.protocols.open_inference.metadata import model_metadata, server_metadata
from service.protocols.open_inference.request import read_request
from service.protocols.open_inference.response import write_response
from service.web import handlers
from service.web.handlers import Context, Reply, timeout_seconds


def server() -> Reply:
    """What this server is."""
    return _reply(server_metadata())


def server_live(context: Context) -> Reply:
    """As ``/livez``."""
    handlers.livez(context)
    return _reply(ServerLive(live=True))


def server_ready(context: Context) -> Reply:
    """As ``/readyz``."""
    handlers.readyz(context)
    return _reply(ServerReady(ready=True))


def model(context: Context, name: str, version: str | None) -> Reply:
    """What the model takes and gives.

    Raises:
        NotFound: another model is served, or another version.
    """
    _check_model(context, name, version)
    return _reply(model_metadata(context.pipeline.manifest, context.pipeline.format_name))


def model_ready(context: Context, name: str, version: str | None) -> Reply:
    """As ``/readyz``, for one model.

    Raises:
        NotFound: another model is served, or another version.
    """
    _check_model(context, name, version)
    handlers.readyz(context)
    return _reply(ModelReady(name=name, ready=True))


def infer(
    context: Context,
    name: str,
    version: str | None,
    *,
    body: bytes,
    header_length: str | None,
    timeout: str | None,
) -> Reply:
    """Run the model on the tensors in *body*.

    Args:
        context: pipeline and limits.
        name: the model's, as the path has it.
        version: the model's, where the path has one.
        body: of the request.
        header_length: the header ``HEADER_LENGTH``, where the caller sent it.
        timeout: the header X-Request-Timeout, in seconds, where the caller sent it.

    Raises:
        CallerError: as for ``read_request``, ``write_response`` and ``Pipeline.run``.
        NotFound: another model is served, or another version.
    """
    _check_model(context, name, version)
    pipeline, settings = context.pipeline, context.settings
    deadline = time.monotonic() + timeout_seconds(timeout, settings.request_timeout_seconds)
    with context.metrics.preprocess_seconds.time():
        inference = read_request(
            body,
            header_length,
            signature=pipeline.manifest.signature,
            max_inputs=settings.max_inputs,
        )
        _check_values(pipeline.task, inference.inputs)
    outputs = pipeline.run(inference.inputs, deadline=deadline)
    answer, json_bytes = write_response(inference, pipeline.model_version, outputs)
    if json_bytes is None:
        return Reply(answer)
    return Reply(answer, "application/octet-stream", headers={HEADER_LENGTH: str(json_bytes)})


def _check_model(context: Context, name: str, version: str | None) -> None:
    served = context.pipeline.model_version
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
