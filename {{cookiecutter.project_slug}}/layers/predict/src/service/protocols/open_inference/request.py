"""A body -> the arrays of each input, and the outputs that are wanted."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import accumulate

from service.errors import BadValue, InvalidInput
from service.manifest import Arrays, Signature, Tensor
from service.protocols.open_inference import HEADER_LENGTH
from service.protocols.open_inference.messages import InferenceRequest, InputTensor
from service.protocols.open_inference.tensors import (
    Array,
    datatype,
    from_bytes,
    from_json,
    open_shape,
    size_in_bytes,
)
from service.web.requests import read_json, validate


@dataclass(frozen=True)
class Wanted:
    """One output to answer with, in bytes or in JSON."""

    tensor: Tensor
    is_binary: bool


@dataclass(frozen=True)
class Inference:
    """What a request asks for.

    ``inputs`` are named arrays of one input each, without a batch axis.
    """

    id: str | None
    inputs: list[Arrays]
    outputs: list[Wanted]


def read_request(
    body: bytes, header_length: str | None, *, signature: Signature, max_inputs: int
) -> Inference:
    """What *body* asks for.

    Args:
        body: JSON, and behind it the tensors that are sent in bytes.
        header_length: the header ``HEADER_LENGTH``, where the caller sent it.
        signature: the model's.
        max_inputs: the largest batch.

    Raises:
        MalformedBody: the JSON is none.
        InvalidInput: a field is missing, unknown or wrong, or does not fit *signature*.
    """
    head, tail = _split(body, header_length)
    request = validate(InferenceRequest, read_json(head))
    outputs = _outputs(request, signature)
    _check_inputs(request.inputs, signature, max_inputs)
    batches = _batches(request.inputs, signature, tail)
    length = request.inputs[0].shape[0]
    inputs = [{name: batch[i] for name, batch in batches.items()} for i in range(length)]
    return Inference(request.id, inputs, outputs)


def _split(body: bytes, header_length: str | None) -> tuple[bytes, bytes]:
    """The JSON and what follows it."""
    if header_length is None:
        return body, b""
    if not re.fullmatch(r"[0-9]{1,18}", header_length) or int(header_length) > len(body):
        raise InvalidInput.of(HEADER_LENGTH, f"accepted: 0 to {len(body)}, the body's bytes")
    length = int(header_length)
    return body[:length], body[length:]


def _check_inputs(given: Sequence[InputTensor], signature: Signature, max_inputs: int) -> None:
    """Refuse all that can be refused before a tensor is made."""
    tensors = {tensor.name: tensor for tensor in signature.inputs}
    names = [each.name for each in given]
    _check_names("inputs", names, tensors)
    if missing := [name for name in tensors if name not in names]:
        raise InvalidInput.of("inputs", f"missing: {', '.join(missing)}")
    for i, each in enumerate(given):
        _check_type(f"inputs[{i}]", each, tensors[each.name])
        _check_batch(f"inputs[{i}]", each.shape[0], given[0].shape[0], max_inputs)
        _check_size(f"inputs[{i}]", each, tensors[each.name])


def _check_names(field: str, given: Sequence[str], known: Collection[str]) -> None:
    """Refuse names that the model does not have, and those that come twice."""
    for i, name in enumerate(given):
        if name not in known:
            accepted = ", ".join(known)
            raise InvalidInput.of(
                f"{field}[{i}].name", f"there is no {name[:100]!r}; the model has: {accepted}"
            )
        if name in given[:i]:
            raise InvalidInput.of(f"{field}[{i}].name", f"{name!r} comes twice")


def _check_type(field: str, given: InputTensor, tensor: Tensor) -> None:
    """Refuse a datatype or a shape that is not the model's."""
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
    """Refuse a batch that is too long, or another than that of the first tensor."""
    if length > max_inputs:
        raise InvalidInput.of(
            f"{field}.shape", f"a batch of {length}; at most {max_inputs} are accepted"
        )
    if length != first:
        raise InvalidInput.of(f"{field}.shape", f"a batch of {length}, after one of {first}")


def _check_size(field: str, given: InputTensor, tensor: Tensor) -> None:
    """Refuse a tensor that is neither in JSON nor in as many bytes as its shape takes."""
    found = given.parameters.binary_data_size
    if (found is None) == (given.data is None):
        raise InvalidInput.of(f"{field}.data", "either this or binary_data_size is needed")
    wanted = size_in_bytes(given.shape, tensor)
    if found not in {None, wanted}:
        raise InvalidInput.of(
            f"{field}.parameters.binary_data_size",
            f"{found} bytes, where the shape takes {wanted}",
        )


def _batches(given: Sequence[InputTensor], signature: Signature, tail: bytes) -> Arrays:
    """The tensors, each with its batch axis, in the signature's order."""
    tensors = {tensor.name: tensor for tensor in signature.inputs}
    contents = _contents(given, tail)
    batches = {
        each.name: _batch(f"inputs[{i}]", each, contents[i], tensors[each.name])
        for i, each in enumerate(given)
    }
    return {name: batches[name] for name in tensors}


def _batch(field: str, given: InputTensor, content: bytes, tensor: Tensor) -> Array:
    if given.data is None:
        return from_bytes(content, given.shape, tensor)
    try:
        return from_json(given.data, given.shape, tensor)
    except BadValue as error:
        raise InvalidInput.of(f"{field}.data", str(error)) from None


def _contents(given: Sequence[InputTensor], tail: bytes) -> list[bytes]:
    """The bytes of each tensor, which *tail* has in this order; none of one in JSON."""
    sizes = [each.parameters.binary_data_size or 0 for each in given]
    if sum(sizes) != len(tail):
        raise InvalidInput.of(
            HEADER_LENGTH,
            f"{len(tail)} bytes follow the JSON, where binary_data_size says {sum(sizes)}",
        )
    ends = accumulate(sizes)
    return [tail[end - size : end] for size, end in zip(sizes, ends, strict=True)]


def _outputs(request: InferenceRequest, signature: Signature) -> list[Wanted]:
    """The outputs that *request* names, in its order; all of the model's when it names none."""
    default = request.parameters.binary_data_output
    if not request.outputs:
        return [Wanted(tensor, default) for tensor in signature.outputs]
    tensors = {tensor.name: tensor for tensor in signature.outputs}
    _check_names("outputs", [each.name for each in request.outputs], tensors)
    own = [each.parameters.binary_data for each in request.outputs]
    return [
        Wanted(tensors[each.name], default if is_binary is None else is_binary)
        for each, is_binary in zip(request.outputs, own, strict=True)
    ]
