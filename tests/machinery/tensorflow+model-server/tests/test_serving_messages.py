"""Our messages against the official ones: the same bytes, both ways."""

from typing import Any

import numpy as np
import pytest
from tensorflow_serving.apis import get_model_status_pb2, predict_pb2

from service.errors import Garbage
from service.framework import tf
from service.serving_messages import (
    AVAILABLE,
    Dimension,
    GetModelStatusRequest,
    GetModelStatusResponse,
    Int64Value,
    ModelSpec,
    PredictResponse,
    Shape,
    TensorProto,
    to_array,
    to_request,
)

SPEC = ModelSpec(name="default", version=Int64Value(value=3), signature_name="length_16")
ARRAYS = [
    np.arange(6, dtype=np.float32).reshape(2, 3),
    np.array([[1.5, -2.25]]),
    np.array([1, -1, 2**31 - 1], np.int32),
    np.array([[2**40, -5]], np.int64),
    np.zeros((0, 4), np.float32),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: array.dtype.name)
def test_the_official_classes_read_what_we_write(array: Any) -> None:
    ours = to_request(SPEC, {"x": array})

    official = predict_pb2.PredictRequest.FromString(ours.SerializeToString())

    assert official.model_spec.name == "default"
    assert official.model_spec.version.value == 3
    assert official.model_spec.signature_name == "length_16"
    found = tf.make_ndarray(official.inputs["x"])
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: array.dtype.name)
def test_we_read_what_the_official_classes_write(array: Any) -> None:
    official = predict_pb2.PredictResponse()
    official.outputs["y"].CopyFrom(tf.make_tensor_proto(array))

    ours = PredictResponse.pb().FromString(official.SerializeToString())

    found = to_array(ours.outputs["y"])
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def test_numbers_in_fields_are_read_and_the_last_stands_for_all_behind_it() -> None:
    official = predict_pb2.PredictResponse()
    official.outputs["y"].dtype = 1
    for size in (2, 3):
        official.outputs["y"].tensor_shape.dim.add(size=size)
    official.outputs["y"].float_val.extend([1.0, 2.0])

    ours = PredictResponse.pb().FromString(official.SerializeToString())

    np.testing.assert_array_equal(to_array(ours.outputs["y"]), [[1, 2, 2], [2, 2, 2]])


def test_the_status_of_versions_is_read() -> None:
    asked = get_model_status_pb2.GetModelStatusRequest.FromString(
        GetModelStatusRequest.serialize(GetModelStatusRequest(model_spec=SPEC))
    )
    official = get_model_status_pb2.GetModelStatusResponse()
    official.model_version_status.add(
        version=3, state=get_model_status_pb2.ModelVersionStatus.AVAILABLE
    )

    ours = GetModelStatusResponse.pb().FromString(official.SerializeToString())

    assert asked.model_spec.version.value == 3
    assert [(each.version, each.state) for each in ours.model_version_status] == [(3, AVAILABLE)]


@pytest.mark.parametrize(
    "tensor",
    [
        TensorProto(dtype=7),
        TensorProto(dtype=1, tensor_shape=Shape(dim=[Dimension(size=3)]), tensor_content=b"1234"),
        TensorProto(dtype=1, tensor_shape=Shape(dim=[Dimension(size=3)])),
    ],
    ids=["strings", "too few bytes", "no numbers"],
)
def test_a_tensor_that_is_none_is_garbage(tensor: TensorProto) -> None:
    with pytest.raises(Garbage):
        to_array(tensor)
