"""A body of the Open Inference Protocol (V2) <-> arrays. Knows nothing of tasks.

https://github.com/kserve/open-inference-protocol. Tensors may follow the JSON in bytes, which is an
extension:
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import chain
from math import prod
from typing import Annotated, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, FailFast, Field

from service.errors import InvalidInput, ModelFailed
from service.manifest import Arrays, ModelVersion, Signature, Tensor
from service.web.requests import read_json, validate

HEADER_LENGTH = "Inference-Header-Content-Length"
"""Header that says how many bytes of a body are JSON, where tensors in bytes follow."""

Array: TypeAlias = npt.NDArray[Any]

_DATATYPES = {"float32": "FP32", "int32": "INT32", "int64": "INT64"}

Int64: TypeAlias = Annotated[int, Field(ge=-(2**63), lt=2**63)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, protected_namespaces=())


class _Parameters(BaseModel):
    """A caller may send others than those named; they mean nothing here."""

    model_config = ConfigDict(strict=True)


class InputParameters(_Parameters):
    """Parameters of one input tensor."""

    binary_data_size: Int64 | None = Field(
        default=None, ge=0, description="Bytes of the tensor behind the JSON, instead of `data`."
    )


class InputTensor(_Request):
    """One input of the model, for the whole batch."""

    name: str
    shape: Annotated[list[Int64], FailFast()] = Field(description="The first axis is the batch.")
    datatype: str
    parameters: InputParameters = InputParameters()
    data: list[Any] | None = Field(
        default=None, description="Numbers in row-major order, flat or nested as `shape` says."
    )


class OutputParameters(_Parameters):
    """Parameters of one requested output."""

    binary_data: bool | None = None
    classification: int | None = Field(default=None, description="Not supported; 0 is accepted.")


class RequestedOutput(_Request):
    """One output of the model that the caller wants."""

    name: str
    parameters: OutputParameters = OutputParameters()


class RequestParameters(_Parameters):
    """Parameters of a request."""

    binary_data_output: bool = Field(
        default=False, description="All outputs behind the JSON, but for those that say otherwise."
    )


class InferenceRequest(_Request):
    """Input tensors, and which outputs to answer with."""

    id: str | None = None
    model_name: str | None = Field(
        default=None, description="As some clients send it; the path is what counts."
    )
    parameters: RequestParameters = RequestParameters()
    inputs: Annotated[list[InputTensor], FailFast()]
    outputs: Annotated[list[RequestedOutput], FailFast()] = Field(
        default=[], description="All of the model's when empty."
    )


class BinaryDataSize(BaseModel):
    """Where the numbers of an output are: behind the JSON."""

    binary_data_size: int


class OutputTensor(BaseModel):
    """One output of the model, for the whole batch."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    parameters: BinaryDataSize | None = None
    data: list[float] | list[int] | None = Field(
        default=None, description="Numbers in row-major order."
    )


class InferenceResponse(BaseModel):
    """The outputs, in the order in which they were requested."""

    model_config = ConfigDict(protected_namespaces=())

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]


@dataclass(frozen=True)
class Inference:
    """What a request asks for.

    ``inputs`` are named arrays of one input each, without a batch axis; ``outputs`` say of each
    tensor whether it is wanted in bytes.
    """

    id: str | None
    inputs: list[Arrays]
    outputs: list[tuple[Tensor, bool]]


def datatype(tensor: Tensor) -> str:
    return _DATATYPES[tensor.dtype]


def open_shape(tensor: Tensor) -> list[int]:
    """The shape of *tensor*, with -1 for an axis of any length."""
    return [-1 if length is None else length for length in tensor.shape]


def read_request(
    body: bytes, header_length: str | None, *, signature: Signature, max_inputs: int
) -> Inference:
    """What *body* asks for: JSON, and behind it the tensors that are sent in bytes.

    Raises:
        MalformedBody: the JSON is none.
        InvalidInput: a field is missing, unknown or wrong, or does not fit *signature*.
    """
    head, tail = _split(body, header_length)
    request = validate(InferenceRequest, read_json(head))
    try:
        (request.id or "").encode()
    except UnicodeError:
        raise InvalidInput.of("id", "half of a surrogate pair is in it") from None
    outputs = _outputs(request, signature)
    tensors = {tensor.name: tensor for tensor in signature.inputs}
    names = [each.name for each in request.inputs]
    _check_names("inputs", names, tensors)
    if missing := [name for name in tensors if name not in names]:
        raise InvalidInput.of("inputs", f"missing: {', '.join(missing)}")
    # All that can be refused is, before a tensor is made.
    for i, given in enumerate(request.inputs):
        _check_tensor(f"inputs[{i}]", given, tensors[given.name])
        _check_batch(f"inputs[{i}].shape", given.shape[0], request.inputs[0].shape[0], max_inputs)
        _check_size(f"inputs[{i}]", given, tensors[given.name])
    batches = _batches(request.inputs, tensors, tail)
    length = request.inputs[0].shape[0]
    inputs = [{name: batches[name][i] for name in tensors} for i in range(length)]
    return Inference(request.id, inputs, outputs)


def write_response(
    inference: Inference, model: ModelVersion, outputs: Sequence[Arrays]
) -> tuple[bytes, int | None]:
    """The body that answers *inference*.

    Args:
        inference: the request.
        model: which answered.
        outputs: the model's, for each of the request's inputs, without a batch axis.

    Returns:
        The body, and how many bytes of it are JSON where tensors in bytes follow.

    Raises:
        ModelFailed: an output is not the signature's, or is to be JSON and holds NaN or infinity.
    """
    described = []
    parts = []
    for tensor, is_binary in inference.outputs:
        name = tensor.name
        array = _stacked(tensor, [each.get(name) for each in outputs])
        output = OutputTensor(name=name, datatype=datatype(tensor), shape=array.shape)
        if is_binary:
            parts.append(array.astype(_in_bytes(tensor)).tobytes())
            output.parameters = BinaryDataSize(binary_data_size=len(parts[-1]))
        elif np.isfinite(array).all():
            output.data = array.ravel().tolist()
        else:
            raise ModelFailed(
                f"The model's {name} holds NaN or infinity, which JSON cannot; request it in bytes."
            )
        described.append(output)
    response = InferenceResponse(
        id=inference.id,
        model_name=model.name,
        model_version=str(model.version),
        outputs=described,
    )
    head = response.model_dump_json(exclude_none=True).encode()
    return b"".join([head, *parts]), len(head) if parts else None


def _stacked(tensor: Tensor, found: Sequence[Any]) -> Array:
    """The output *tensor* of a batch, from those of its inputs."""
    try:
        array = np.stack(found)
    except ValueError:  # of different shapes
        array = np.array(None)
    wanted = (len(found), *tensor.shape[1:])
    fits = array.ndim == len(wanted) and all(
        size in {None, length} for size, length in zip(wanted, array.shape, strict=True)
    )
    if not fits or array.dtype != tensor.dtype:
        raise ModelFailed(f"The model's {tensor.name} is not what its signature says.")
    return array


def _split(body: bytes, header_length: str | None) -> tuple[bytes, bytes]:
    if header_length is None:
        return body, b""
    if not re.fullmatch(r"[0-9]{1,18}", header_length) or int(header_length) > len(body):
        raise InvalidInput.of(HEADER_LENGTH, f"accepted: 0 to {len(body)}, the body's bytes")
    length = int(header_length)
    return body[:length], body[length:]


def _outputs(request: InferenceRequest, signature: Signature) -> list[tuple[Tensor, bool]]:
    """The outputs that *request* names, in its order; all of the model's when it names none."""
    default = request.parameters.binary_data_output
    if not request.outputs:
        return [(tensor, default) for tensor in signature.outputs]
    tensors = {tensor.name: tensor for tensor in signature.outputs}
    _check_names("outputs", [each.name for each in request.outputs], tensors)
    for i, each in enumerate(request.outputs):
        if each.parameters.classification:
            field = f"outputs[{i}].parameters.classification"
            raise InvalidInput.of(field, "labels are what /predict answers; leave it out")
    own = [each.parameters.binary_data for each in request.outputs]
    return [
        (tensors[each.name], default if is_binary is None else is_binary)
        for each, is_binary in zip(request.outputs, own, strict=True)
    ]


def _check_names(field: str, given: Sequence[str], known: Collection[str]) -> None:
    for i, name in enumerate(given):
        if name not in known:
            accepted = ", ".join(known)
            raise InvalidInput.of(
                f"{field}[{i}].name", f"there is no {name[:100]!r}; the model has: {accepted}"
            )
        if name in given[:i]:
            raise InvalidInput.of(f"{field}[{i}].name", f"{name!r} comes twice")


def _check_tensor(field: str, given: InputTensor, tensor: Tensor) -> None:
    if given.datatype != datatype(tensor):
        raise InvalidInput.of(
            f"{field}.datatype", f"{given.datatype[:20]!r}; accepted: {datatype(tensor)}"
        )
    fits = len(given.shape) == len(tensor.shape) and all(
        found >= 1 and wanted in {None, found}
        for found, wanted in zip(given.shape, tensor.shape, strict=True)
    )
    if not fits:
        raise InvalidInput.of(
            f"{field}.shape",
            f"{str(given.shape)[:60]}; accepted: {open_shape(tensor)}, -1 for any length from 1 on",
        )


def _check_batch(field: str, length: int, first: int, max_inputs: int) -> None:
    if length > max_inputs:
        raise InvalidInput.of(field, f"a batch of {length}; at most {max_inputs} are accepted")
    if length != first:
        raise InvalidInput.of(field, f"a batch of {length}, after one of {first}")


def _check_size(field: str, given: InputTensor, tensor: Tensor) -> None:
    """Refuse a tensor that is neither in JSON nor in as many bytes as its shape takes."""
    found = given.parameters.binary_data_size
    if (found is None) == (given.data is None):
        raise InvalidInput.of(f"{field}.data", "either this or binary_data_size is needed")
    wanted = prod(given.shape) * _in_bytes(tensor).itemsize
    if found not in {None, wanted}:
        raise InvalidInput.of(
            f"{field}.parameters.binary_data_size",
            f"{found} bytes, where the shape takes {wanted}",
        )


def _batches(given: Sequence[InputTensor], tensors: dict[str, Tensor], tail: bytes) -> Arrays:
    """The tensors, each with its batch axis. Those in bytes stand in *tail* in this order."""
    size = sum(each.parameters.binary_data_size or 0 for each in given)
    if size != len(tail):
        raise InvalidInput.of(
            HEADER_LENGTH, f"{len(tail)} bytes follow the JSON, where binary_data_size says {size}"
        )
    left = BytesIO(tail)
    batches = {}
    for i, each in enumerate(given):
        tensor = tensors[each.name]
        if each.data is None:
            content = left.read(each.parameters.binary_data_size)
            array = np.frombuffer(content, _in_bytes(tensor))
        else:
            array = _from_json(f"inputs[{i}].data", each.data, each.shape, tensor)
        batches[each.name] = array.reshape(each.shape)
    return batches


def _in_bytes(tensor: Tensor) -> np.dtype[Any]:
    return np.dtype(tensor.dtype).newbyteorder("<")  # little-endian on every machine


def _from_json(field: str, data: list[Any], shape: Sequence[int], tensor: Tensor) -> Array:
    """The numbers of *data*, flat; NaN and infinity stay what they are."""
    numbers = _flat(field, data, shape)
    if len(numbers) != prod(shape):
        raise InvalidInput.of(field, f"{len(numbers)} values, where the shape holds {prod(shape)}")
    is_float = tensor.dtype == "float32"
    if not set(map(type, numbers)) <= ({int, float} if is_float else {int}):
        accepted = "numbers" if is_float else "whole numbers"
        raise InvalidInput.of(field, f"only {accepted} are accepted")
    try:
        with np.errstate(over="raise"):
            return np.array(numbers, tensor.dtype)
    except (OverflowError, FloatingPointError):
        raise InvalidInput.of(field, f"a number is too large for {datatype(tensor)}") from None


def _flat(field: str, data: list[Any], shape: Sequence[int]) -> list[Any]:
    if not data or type(data[0]) is not list:
        return data
    if len(data) != shape[0]:
        raise InvalidInput.of(field, f"{len(data)} rows, where the shape has {shape[0]}")
    for length in shape[1:]:
        if not all(type(row) is list and len(row) == length for row in data):
            raise InvalidInput.of(field, "the nesting is not that of the shape")
        data = list(chain.from_iterable(data))
    return data
