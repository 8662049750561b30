"""The numbers of a tensor, in JSON or in bytes <-> an array."""

from collections.abc import Sequence
from itertools import chain
from math import prod
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from service.errors import BadValue
from service.manifest import Tensor

Array: TypeAlias = npt.NDArray[Any]

_DATATYPES = {"float32": "FP32", "int32": "INT32", "int64": "INT64"}


def datatype(tensor: Tensor) -> str:
    """The protocol's name for the numbers of *tensor*."""
    return _DATATYPES[tensor.dtype]


def open_shape(tensor: Tensor) -> list[int]:
    """The shape of *tensor*, with -1 for an axis of any length."""
    return [-1 if length is None else length for length in tensor.shape]


def from_json(data: list[Any], shape: Sequence[int], tensor: Tensor) -> Array:
    """The array of *data*.

    Args:
        data: numbers in row-major order, flat or nested as *shape* says.
        shape: of the array; each axis at least 1 long.
        tensor: whose numbers they are.

    Returns:
        *shape* of the tensor's dtype; NaN and infinity stay what they are.

    Raises:
        BadValue: *data* does not have *shape*, or holds what is no number of that dtype.
    """
    numbers = _flat(data, shape)
    if len(numbers) != prod(shape):
        raise BadValue(f"{len(numbers)} values, where the shape holds {prod(shape)}")
    is_float = tensor.dtype == "float32"
    if not set(map(type, numbers)) <= ({int, float} if is_float else {int}):
        raise BadValue(f"only {'numbers' if is_float else 'whole numbers'} are accepted")
    try:
        with np.errstate(over="raise"):
            return np.array(numbers, tensor.dtype).reshape(shape)
    except (OverflowError, FloatingPointError):
        raise BadValue(f"a number is too large for {datatype(tensor)}") from None


def size_in_bytes(shape: Sequence[int], tensor: Tensor) -> int:
    """The bytes that the numbers of *shape* take."""
    return prod(shape) * _in_bytes(tensor).itemsize


def from_bytes(content: bytes, shape: Sequence[int], tensor: Tensor) -> Array:
    """The array whose numbers *content* holds, all of them; it is not copied."""
    return np.frombuffer(content, _in_bytes(tensor)).reshape(shape)


def to_bytes(array: Array, tensor: Tensor) -> bytes:
    """The numbers of *array* in row-major order."""
    return array.astype(_in_bytes(tensor)).tobytes()


def _in_bytes(tensor: Tensor) -> np.dtype[Any]:
    return np.dtype(tensor.dtype).newbyteorder("<")  # little-endian on every machine


def _flat(data: list[Any], shape: Sequence[int]) -> list[Any]:
    if not data or type(data[0]) is not list:
        return data
    if len(data) != shape[0]:
        raise BadValue(f"{len(data)} rows, where the shape has {shape[0]}")
    for length in shape[1:]:
        if not all(type(row) is list and len(row) == length for row in data):
            raise BadValue("the nesting is not that of the shape")
        data = list(chain.from_iterable(data))
    return data
