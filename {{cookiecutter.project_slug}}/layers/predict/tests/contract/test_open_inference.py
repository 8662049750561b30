"""The Open Inference Protocol: its routes, right and wrong, from outside."""

import json
from typing import Any

import httpx
import pytest
import samples
from asking import ask
from conftest import MakeService, Service
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from inferring import INFER, MODEL, assert_refused, prepared
from jsonschema import Draft202012Validator
from tensors import DATATYPES, in_bytes, in_json

from service.errors import BadValue
from service.manifest import Arrays

VERSION = f"{MODEL}/versions/1"


def test_the_server_says_what_it_is(service: Service) -> None:
    answer = service.client.get("/v2").json()

    assert answer["extensions"] == ["binary_tensor_data"]
    assert answer["name"]
    assert answer["version"]


@pytest.mark.parametrize("path", [MODEL, VERSION])
def test_the_model_says_what_it_takes_and_gives(service: Service, path: str) -> None:
    answer = service.client.get(path).json()

    assert (answer["name"], answer["versions"]) == ("default", ["1"])
    assert answer["platform"].endswith("_fake")
    for tensors, described in [
        (samples.SIGNATURE.inputs, answer["inputs"]),
        (samples.SIGNATURE.outputs, answer["outputs"]),
    ]:
        assert described == [
            {
                "name": tensor.name,
                "datatype": DATATYPES[tensor.dtype],
                "shape": [-1 if length is None else length for length in tensor.shape],
            }
            for tensor in tensors
        ]


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
        (f"{MODEL}/ready", {"name": "default", "ready": True}),
        (f"{VERSION}/ready", {"name": "default", "ready": True}),
    ],
)
def test_probes_say_yes(service: Service, path: str, answer: dict[str, Any]) -> None:
    assert service.client.get(path).json() == answer


@pytest.mark.parametrize("path", ["/v2/health/ready", f"{MODEL}/ready", f"{VERSION}/ready"])
def test_a_draining_service_is_not_ready(service: Service, path: str) -> None:
    service.pipeline.drain()

    assert_refused(service.client.get(path), 503, "not_ready")


@pytest.mark.parametrize("path", [MODEL, VERSION])
def test_tensors_are_answered_with_the_models_own(service: Service, path: str) -> None:
    arrays = prepared(service)

    response = ask(service, {**in_json(arrays, arrays), "id": "42"}, f"{path}/infer")

    assert response.status_code == httpx.codes.OK, response.text
    assert response.headers["content-type"] == "application/json"
    answer = response.json()
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("default", "1", "42")
    expected = samples.outputs(arrays)
    assert [each["name"] for each in answer["outputs"]] == list(expected)
    for each in answer["outputs"]:
        one = expected[each["name"]]
        assert each["shape"] == [2, *one.shape]
        assert each["data"] == [*one.ravel().tolist()] * 2


def test_tensors_in_bytes_are_answered_in_bytes(service: Service) -> None:
    arrays = prepared(service)

    response = service.client.post(INFER, **in_bytes(in_json(arrays)))

    assert response.headers["content-type"] == "application/octet-stream"
    json_bytes = int(response.headers["inference-header-content-length"])
    expected = samples.outputs(arrays)
    assert response.content[json_bytes:] == b"".join(each.tobytes() for each in expected.values())
    outputs = json.loads(response.content[:json_bytes])["outputs"]
    assert [each["name"] for each in outputs] == list(expected)


def test_a_batch_has_no_more_inputs_than_a_request_may(make_service: MakeService) -> None:
    service = make_service(max_inputs=2)
    service.wait_until_ready()

    refused = ask(service, in_json(*[prepared(service)] * 3), INFER)

    assert_refused(refused, 422, "invalid_input", "inputs[0].shape")


def test_numbers_that_the_task_does_not_know_are_refused(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def check(arrays: Arrays) -> None:
        seen.append(arrays)
        if len(seen) == 2:
            raise BadValue("no such number")

    monkeypatch.setattr(service.pipeline.task, "check", check)
    arrays = prepared(service)

    refused = ask(service, in_json(arrays, arrays), INFER)

    assert_refused(refused, 422, "invalid_input", "inputs[0]" if len(arrays) == 1 else "inputs")
    assert refused.json()["errors"][0]["detail"] == "number 1 of the batch: no such number"
    assert [each.keys() for each in seen] == [arrays.keys()] * 2


@pytest.mark.parametrize(
    ("options", "status", "code", "field"),
    [
        ({}, 400, "malformed_body", ""),
        ({"content": b"{"}, 400, "malformed_body", ""),
        ({"content": b"[" * 100_000}, 400, "malformed_body", ""),
        ({"json": []}, 422, "invalid_input", "body"),
        ({"json": {}}, 422, "invalid_input", "inputs"),
        ({"json": {"inputs": [{"name": "x"}]}}, 422, "invalid_input", "inputs[0].shape"),
        (
            {"headers": {"Inference-Header-Content-Length": "1"}},
            422,
            "invalid_input",
            "Inference-Header-Content-Length",
        ),
        ({"headers": {"X-Request-Timeout": "0"}}, 422, "invalid_input", "X-Request-Timeout"),
        ({"headers": {"Content-Encoding": "gzip"}}, 415, "unsupported_media_type", ""),
    ],
)
def test_a_wrong_request_is_refused(
    service: Service, options: dict[str, Any], status: int, code: str, field: str
) -> None:
    assert_refused(service.client.post(INFER, **options), status, code, field)


@pytest.mark.parametrize("path", ["other", "other/versions/1", "default/versions/2"])
def test_another_model_or_version_is_a_404(service: Service, path: str) -> None:
    model = f"/v2/models/{path}"

    assert_refused(service.client.get(model), 404, "not_found")
    assert_refused(service.client.get(f"{model}/ready"), 404, "not_found")
    assert_refused(ask(service, {}, f"{model}/infer"), 404, "not_found")


def test_an_error_of_a_web_framework_is_one_of_the_protocol_too(service: Service) -> None:
    assert_refused(service.client.get("/v2/nothing"), 404, "not_found")
    assert_refused(service.client.get("/v2/"), 404, "not_found")
    assert_refused(service.client.get(INFER), 405, "method_not_allowed")
    assert_refused(service.client.post("/v2"), 405, "method_not_allowed")
    assert "error" not in service.client.get("/v2x").json()
    assert "error" not in service.client.get("/predict").json()


@given(
    changes=st.dictionaries(
        st.sampled_from(["name", "shape", "datatype", "data", "parameters"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        )
        | st.lists(st.integers(min_value=0, max_value=9))
        | st.fixed_dictionaries({"binary_data_size": st.integers(max_value=100)}),
        max_size=3,
    ),
    tail=st.binary(max_size=100),
    is_long=st.booleans(),
)
@hypothesis_settings(
    deadline=None,
    derandomize=True,
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_request_makes_a_500(
    service: Service, changes: dict[str, Any], tail: bytes, *, is_long: bool
) -> None:
    request = in_json(prepared(service))
    request["inputs"][0] |= changes
    head = json.dumps(request).encode()
    length = len(head) + (len(tail) if is_long else 0)

    response = service.client.post(
        INFER, content=head + tail, headers={"Inference-Header-Content-Length": str(length)}
    )

    assert response.status_code < httpx.codes.INTERNAL_SERVER_ERROR, response.text


def test_answers_are_as_described(service: Service) -> None:
    document = service.client.get("/openapi.json").json()
    infer = document["paths"]["/v2/models/{name}/infer"]["post"]
    request = in_json(prepared(service))
    described = [(infer["requestBody"], "application/json", request)]
    for status, body in [("200", request), ("422", {})]:
        answer = ask(service, body, INFER)
        media_type = answer.headers["content-type"]
        described.append((infer["responses"][status], media_type, answer.json()))

    for part, media_type, value in described:
        schema = {**part["content"][media_type]["schema"], "components": document["components"]}
        Draft202012Validator(schema).validate(value)
