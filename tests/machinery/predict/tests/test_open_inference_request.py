"""The Open Inference Protocol without a service: a body -> arrays, arrays -> a body."""

import json
import re
from copy import deepcopy
from typing import Any

import numpy as np
import pytest

from service.errors import CallerError, InvalidInput, MalformedBody, ModelFailed
from service.manifest import Arrays, ModelVersion, Signature, Tensor
from service.web.tensors import Inference, read_request, write_response

SIGNATURE = Signature(
    inputs=[
        Tensor(name="pixels", dtype="float32", shape=(None, 2)),
        Tensor(name="tokens", dtype="int64", shape=(None, None)),
        Tensor(name="kind", dtype="int32", shape=(None,)),
    ],
    outputs=[
        Tensor(name="logits", dtype="float32", shape=(None, 2)),
        Tensor(name="count", dtype="int64", shape=(None,)),
    ],
)
PIXELS = np.array([[0.5, -1], [2, 3]], np.float32)
TOKENS = np.array([[1, 2, 3], [4, 5, 2**40]], np.int64)
KIND = np.array([7, 8], np.int32)
BATCHES: Arrays = {"pixels": PIXELS, "tokens": TOKENS, "kind": KIND}
REQUEST: dict[str, Any] = {
    "inputs": [
        {"name": "pixels", "shape": [2, 2], "datatype": "FP32", "data": [0.5, -1, 2, 3]},
        {"name": "tokens", "shape": [2, 3], "datatype": "INT64", "data": TOKENS.tolist()},
        {"name": "kind", "shape": [2], "datatype": "INT32", "data": [7, 8]},
    ],
}
OUTPUTS: list[Arrays] = [
    {"logits": np.array([0.1, 1], np.float32), "count": np.array(1)},
    {"logits": np.array([-2, 1e-9], np.float32), "count": np.array(2**40)},
]
LOGITS, COUNT = {"name": "logits"}, {"name": "count"}
IN_BYTES, IN_JSON = ({**LOGITS, "parameters": {"binary_data": yes}} for yes in (True, False))
ALL_IN_BYTES = {"binary_data_output": True}
MODEL = ModelVersion(name="default", version=3)


def read(request: object, tail: bytes = b"", header_length: str | None = None) -> Inference:
    head = json.dumps(request).encode()
    if tail and header_length is None:
        header_length = str(len(head))
    return read_request(head + tail, header_length, signature=SIGNATURE, max_inputs=4)


def changed(path: str, value: object) -> dict[str, Any]:
    """The request with *value* at *path*, which is written as errors write it."""
    request = deepcopy(REQUEST)
    *parents, last = [int(part) if part.isdigit() else part for part in re.findall(r"\w+", path)]
    at: Any = request
    for part in parents:
        at = at[part] if isinstance(part, int) else at.setdefault(part, {})
    at[last] = value
    return request


def binary(name: str, array: "np.ndarray[Any, Any]", datatype: str) -> dict[str, Any]:
    """The description of a tensor whose numbers follow the JSON."""
    size = {"binary_data_size": array.nbytes}
    return {"name": name, "shape": array.shape, "datatype": datatype, "parameters": size}


def assert_all_read(inference: Inference) -> None:
    assert len(inference.inputs) == 2
    for i, arrays in enumerate(inference.inputs):
        assert list(arrays) == list(BATCHES)  # in the signature's order
        for name, batch in BATCHES.items():
            assert arrays[name].dtype == batch.dtype
            assert np.array_equal(arrays[name], batch[i])


def refused_field(body: Any, **options: Any) -> str:
    """The one field that the refusal of *body* names."""
    with pytest.raises(InvalidInput) as caught:
        read(body, **options)
    (wrong,) = caught.value.fields
    assert caught.value.detail == f"{wrong.field}: {wrong.detail}"
    assert len(wrong.detail) < 250
    return wrong.field


def test_tensors_in_json_are_read_flat_or_nested() -> None:
    assert_all_read(read(REQUEST))


def test_tensors_may_come_in_any_order() -> None:
    assert_all_read(read({"inputs": REQUEST["inputs"][::-1]}))


def test_tensors_in_bytes_are_read_in_the_order_of_the_request() -> None:
    inputs = [binary("tokens", TOKENS, "INT64"), binary("pixels", PIXELS, "FP32")]
    request = {"inputs": [inputs[0], REQUEST["inputs"][2], inputs[1]]}

    assert_all_read(read(request, TOKENS.astype("<i8").tobytes() + PIXELS.astype("<f4").tobytes()))


def test_a_length_of_the_whole_body_means_that_no_bytes_follow() -> None:
    assert_all_read(read(REQUEST, header_length=str(len(json.dumps(REQUEST)))))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_not_finite_is_left_to_the_task(number: str) -> None:
    body = json.dumps(REQUEST).replace("0.5", number).encode()

    inference = read_request(body, None, signature=SIGNATURE, max_inputs=4)

    assert not np.isfinite(inference.inputs[0]["pixels"][0])


def test_unknown_parameters_mean_nothing() -> None:
    for field in ("parameters", "inputs[0].parameters"):
        assert_all_read(read(changed(f"{field}.priority", 3)))


def test_the_model_may_be_named_in_the_body() -> None:
    assert_all_read(read(changed("model_name", "default")))


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("inputs", None, "inputs"),
        ("inputs", [], "inputs"),
        ("inputs", REQUEST["inputs"][:2], "inputs"),
        ("inputs[0]", 1, "inputs[0]"),
        ("colour", 1, "colour"),
        ("id", 1, "id"),
        ("parameters", [], "parameters"),
        ("parameters.binary_data_output", 1, "parameters.binary_data_output"),
        ("inputs[0].colour", 1, "inputs[0].colour"),
        ("inputs[0].name", 1, "inputs[0].name"),
        ("inputs[0].name", "x" * 1000, "inputs[0].name"),
        ("inputs[1].name", "pixels", "inputs[1].name"),
        *[
            ("inputs[0].datatype", datatype, "inputs[0].datatype")
            for datatype in ("INT64", "FP64", "FP16", "BF16", "BYTES", "BOOL", "fp32", "", 1)
        ],
        ("inputs[0].shape", 2, "inputs[0].shape"),
        ("inputs[0].shape", ["2", 2], "inputs[0].shape[0]"),
        ("inputs[0].shape", [2, 2.5], "inputs[0].shape[1]"),
        ("inputs[0].shape", [2, True], "inputs[0].shape[1]"),
        *[
            ("inputs[0].shape", shape, "inputs[0].shape")
            for shape in ([], [4], [2, 1, 2], [2, 3], [0, 2], [-2, 2], [5, 2], [2**62, 2])
        ],
        ("inputs[1].shape", [2, 0], "inputs[1].shape"),
        ("inputs[1].shape", [2, -3], "inputs[1].shape"),
        ("inputs[1].shape", [1, 6], "inputs[1].shape"),
        ("inputs[1].shape", [2, 2**62], "inputs[1].data"),
        ("inputs[1].shape", [2, 2**63], "inputs[1].shape[1]"),
        ("inputs[1].shape", [2, 10**4299], "inputs[1].shape[1]"),
        ("inputs[0].data", None, "inputs[0].data"),
        ("inputs[0].data", {}, "inputs[0].data"),
        ("inputs[0].data", [], "inputs[0].data"),
        ("inputs[0].data", [[], []], "inputs[0].data"),
        *[
            ("inputs[0].data", data, "inputs[0].data")
            for data in (
                [1, 2, 3],
                [1, 2, 3, 4, 5],
                [[1, 2], [3]],
                [[1, 2], 3],
                [1, 2, 3, [4]],
                [[1, 2, 3, 4]],
                [[[1], [2]], [[3], [4]]],
                [[1, 2], [3, 4], [5, 6]],
                ["1", 2, 3, 4],
                [True, 2, 3, 4],
                [None, 2, 3, 4],
                [{}, 2, 3, 4],
                [1e39, 2, 3, 4],
                [10**40, 2, 3, 4],
                [10**400, 2, 3, 4],
            )
        ],
        ("inputs[1].data", [1.0, 2, 3, 4, 5, 6], "inputs[1].data"),
        ("inputs[1].data", [2**63, 2, 3, 4, 5, 6], "inputs[1].data"),
        ("inputs[2].data", [2**31, 2], "inputs[2].data"),
        ("inputs[2].data", [[1], [2]], "inputs[2].data"),
        ("inputs[0].parameters", None, "inputs[0].parameters"),
        ("inputs[0].parameters.binary_data_size", 0, "inputs[0].data"),
        *[
            ("inputs[0].parameters.binary_data_size", size, "inputs[0].parameters.binary_data_size")
            for size in (-1, 2**63, "16", True, 16.0)
        ],
        ("outputs", {}, "outputs"),
        ("outputs", ["logits"], "outputs[0]"),
        ("outputs", [{}], "outputs[0].name"),
        ("outputs", [{"name": "pixels"}], "outputs[0].name"),
        ("outputs", [{"name": "logits"}] * 2, "outputs[1].name"),
        ("outputs", [{"name": "logits", "data": 1}], "outputs[0].data"),
        (
            "outputs",
            [{"name": "logits", "parameters": {"binary_data": 1}}],
            "outputs[0].parameters.binary_data",
        ),
    ],
)
def test_a_fault_is_refused_by_its_field(path: str, value: object, field: str) -> None:
    assert refused_field(changed(path, value)) == field


@pytest.mark.parametrize("field", ["name", "shape", "datatype", "data"])
def test_a_field_that_is_missing_is_named(field: str) -> None:
    request = deepcopy(REQUEST)
    del request["inputs"][0][field]

    assert refused_field(request) == f"inputs[0].{field}"


@pytest.mark.parametrize("body", [None, [], 1, "x"])
def test_what_is_no_object_is_refused(body: object) -> None:
    assert refused_field(body) == "body"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"{}x", b"[" * 100_000, b'{"a":' * 100_000])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        read_request(body, None, signature=SIGNATURE, max_inputs=4)


@pytest.mark.parametrize("length", ["", "-1", "+1", "1.0", "many", "²", "9" * 5000, "99999"])
def test_a_length_that_is_none_of_the_body_is_refused(length: str) -> None:
    assert refused_field(REQUEST, header_length=length) == "Inference-Header-Content-Length"


@pytest.mark.parametrize("tail", [b"", b"x" * 15, b"x" * 17])
def test_more_or_fewer_bytes_than_the_tensors_say_are_refused(tail: bytes) -> None:
    request = changed("inputs[0]", binary("pixels", PIXELS, "FP32"))

    assert refused_field(request, tail=tail) == "Inference-Header-Content-Length"


@pytest.mark.parametrize("size", [0, 12, 20])
def test_a_size_that_is_not_that_of_the_shape_is_refused(size: int) -> None:
    tensor = {**binary("pixels", PIXELS, "FP32"), "parameters": {"binary_data_size": size}}

    field = refused_field(changed("inputs[0]", tensor), tail=b"x" * size)

    assert field == "inputs[0].parameters.binary_data_size"


def test_many_faults_are_not_all_listed() -> None:
    with pytest.raises(CallerError) as caught:
        read({**REQUEST, **{str(i): i for i in range(100_000)}})

    assert len(caught.value.fields) == 1


def test_all_outputs_are_answered_in_json_when_none_is_named() -> None:
    body, json_bytes = write_response(read(REQUEST), MODEL, OUTPUTS)

    assert json_bytes is None
    answer = json.loads(body)
    assert answer == {
        "model_name": "default",
        "model_version": "3",
        "outputs": [
            {
                "name": "logits",
                "datatype": "FP32",
                "shape": [2, 2],
                "data": pytest.approx([0.1, 1, -2, 1e-9]),
            },
            {"name": "count", "datatype": "INT64", "shape": [2], "data": [1, 2**40]},
        ],
    }
    assert np.float32(answer["outputs"][0]["data"][0]) == np.float32(0.1)


def test_the_id_comes_back() -> None:
    for name in ("42", ""):
        body, _ = write_response(read({**REQUEST, "id": name}), MODEL, OUTPUTS)
        assert json.loads(body)["id"] == name


@pytest.mark.parametrize(
    ("wants", "names", "in_bytes"),
    [
        ({"parameters": ALL_IN_BYTES}, ["logits", "count"], ["logits", "count"]),
        ({"outputs": [COUNT]}, ["count"], []),
        ({"outputs": [COUNT, LOGITS]}, ["count", "logits"], []),
        ({"outputs": [COUNT], "parameters": ALL_IN_BYTES}, ["count"], ["count"]),
        ({"outputs": [COUNT, IN_BYTES]}, ["count", "logits"], ["logits"]),
        ({"outputs": [COUNT, IN_JSON], "parameters": ALL_IN_BYTES}, ["count", "logits"], ["count"]),
    ],
)
def test_outputs_come_in_the_order_and_in_the_way_asked_for(
    wants: dict[str, Any], names: list[str], in_bytes: list[str]
) -> None:
    body, json_bytes = write_response(read({**REQUEST, **wants}), MODEL, OUTPUTS)

    outputs = json.loads(body[:json_bytes])["outputs"]
    assert [each["name"] for each in outputs] == names
    assert [each["name"] for each in outputs if "data" not in each] == in_bytes
    expected = [np.stack([arrays[name] for arrays in OUTPUTS]) for name in in_bytes]
    sizes = [each["parameters"] for each in outputs if "data" not in each]
    assert sizes == [{"binary_data_size": array.nbytes} for array in expected]
    if in_bytes:
        assert body[json_bytes:] == b"".join(array.tobytes() for array in expected)


def test_what_json_cannot_hold_is_sent_in_bytes_alone() -> None:
    outputs: list[Arrays] = [
        {"logits": np.array([np.nan, np.inf], np.float32), "count": np.array(1)}
    ] * 2

    with pytest.raises(ModelFailed, match="logits holds NaN or infinity"):
        write_response(read(REQUEST), MODEL, outputs)

    body, json_bytes = write_response(read({**REQUEST, "parameters": ALL_IN_BYTES}), MODEL, outputs)
    assert np.isnan(np.frombuffer(body[json_bytes:], "<f4", 1)).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"logits": np.zeros(3, np.float32)},
        {"logits": np.zeros((1, 2), np.float32)},
        {"logits": np.zeros(2, np.float64)},
        {},
    ],
)
def test_an_output_that_is_not_the_signatures_is_not_sent(wrong: Arrays) -> None:
    whole = {"count": np.array(1), **wrong}

    for outputs in ([whole, whole], [OUTPUTS[0], whole]):
        with pytest.raises(ModelFailed, match="logits is not what its signature says"):
            write_response(read(REQUEST), MODEL, outputs)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": "\ud800"}, "id"),
        (
            {"outputs": [{"name": "logits", "parameters": {"classification": 3}}]},
            "outputs[0].parameters.classification",
        ),
    ],
)
def test_what_cannot_be_answered_is_refused_before_the_model_runs(
    change: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        read({**REQUEST, **change})

    assert [each.field for each in refused.value.fields] == [field]
