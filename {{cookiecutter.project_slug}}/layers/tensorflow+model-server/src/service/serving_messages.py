# mypy: disable-error-code="misc"
# proto-plus has no types, and its messages are subclasses.
"""TensorFlow Serving's messages, as far as they are used here, and arrays in them.

Field numbers are those of ``tensorflow_serving/apis`` and ``tensorflow/core/framework``; the
packages with the official classes would install TensorFlow itself. What is sent and read are
protobuf's own messages (``.pb()``): proto-plus around them takes twenty times as long.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import proto

from service.errors import Garbage
from service.manifest import Arrays

__protobuf__ = proto.module(package="service")

_DTYPES: dict[int, str] = {1: "float32", 2: "float64", 3: "int32", 9: "int64"}
_NUMBERS = {name: number for number, name in _DTYPES.items()}


class Dimension(proto.Message):
    """One axis of a tensor."""

    size = proto.Field(proto.INT64, number=1)


class Shape(proto.Message):
    """All axes of a tensor."""

    dim = proto.RepeatedField(Dimension, number=2)


class TensorProto(proto.Message):
    """A tensor: its bytes, or its numbers, of which the last may stand for all that follow."""

    dtype = proto.Field(proto.INT32, number=1)
    tensor_shape = proto.Field(Shape, number=2)
    tensor_content = proto.Field(proto.BYTES, number=4)
    float_val = proto.RepeatedField(proto.FLOAT, number=5)
    double_val = proto.RepeatedField(proto.DOUBLE, number=6)
    int_val = proto.RepeatedField(proto.INT32, number=7)
    int64_val = proto.RepeatedField(proto.INT64, number=10)


class Int64Value(proto.Message):
    """A number that may be missing."""

    value = proto.Field(proto.INT64, number=1)


class ModelSpec(proto.Message):
    """Which model, version and signature."""

    name = proto.Field(proto.STRING, number=1)
    version = proto.Field(Int64Value, number=2)
    signature_name = proto.Field(proto.STRING, number=3)


class PredictRequest(proto.Message):
    """Named tensors in."""

    model_spec = proto.Field(ModelSpec, number=1)
    inputs = proto.MapField(proto.STRING, proto.MESSAGE, number=2, message=TensorProto)


class PredictResponse(proto.Message):
    """Named tensors out."""

    outputs = proto.MapField(proto.STRING, proto.MESSAGE, number=1, message=TensorProto)


class GetModelStatusRequest(proto.Message):
    """The requested version."""

    model_spec = proto.Field(ModelSpec, number=1)


class VersionStatus(proto.Message):
    """The state of a version."""

    version = proto.Field(proto.INT64, number=1)
    state = proto.Field(proto.INT32, number=2)


class GetModelStatusResponse(proto.Message):
    """The states of the versions."""

    model_version_status = proto.RepeatedField(VersionStatus, number=1)


AVAILABLE = 30
"""The state of a version that answers."""


_PREDICT_REQUEST = PredictRequest.pb()


def to_request(spec: ModelSpec, arrays: Arrays) -> Any:
    """The raw ``PredictRequest`` with named arrays."""
    request = _PREDICT_REQUEST(model_spec=ModelSpec.pb(spec))
    for name, array in arrays.items():
        tensor = request.inputs[name]
        tensor.dtype = _NUMBERS[array.dtype.name]
        for size in array.shape:
            tensor.tensor_shape.dim.add(size=size)
        tensor.tensor_content = array.tobytes()
    return request


def to_array(tensor: Any) -> npt.NDArray[Any]:
    """The array in a message; ``Garbage`` where its type is not known, or its shape not filled."""
    if tensor.dtype not in _DTYPES:
        raise Garbage(f"a tensor has the type {tensor.dtype}; {_DTYPES} are accepted")
    dtype = np.dtype(_DTYPES[tensor.dtype])
    shape = [axis.size for axis in tensor.tensor_shape.dim]
    if tensor.tensor_content:
        flat = np.frombuffer(tensor.tensor_content, dtype)
    else:
        fields = {1: "float_val", 2: "double_val", 3: "int_val", 9: "int64_val"}
        flat = np.array(getattr(tensor, fields[tensor.dtype]), dtype)
        missing = int(np.prod(shape)) - len(flat)
        if missing > 0 and len(flat):
            flat = np.concatenate([flat, np.full(missing, flat[-1], dtype)])
    try:
        return flat.reshape(shape)
    except ValueError as error:
        raise Garbage(f"a tensor of the shape {shape} has {len(flat)} numbers") from error
