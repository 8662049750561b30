"""``/predict``: every way to ask, every wrong one, from outside."""

import json

import httpx
import pytest
import samples
from asking import assert_problem
from conftest import Service
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from model.schemas import INPUT_FIELD, RAW_MEDIA_TYPES

ONE = {INPUT_FIELD: samples.VALUE}
MANY = {"inputs": [samples.VALUE, samples.OTHER_VALUE]}


def test_one_input_in_json_is_answered(service: Service) -> None:
    response = service.client.post("/predict", json=ONE)

    assert response.status_code == httpx.codes.OK, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.json()["prediction"] == samples.ANSWER
    assert response.json()["model"] == {"name": "default", "version": 1}


def test_several_inputs_are_answered_in_their_order(service: Service) -> None:
    response = service.client.post("/predict", json=MANY)

    answers = [each["prediction"] for each in response.json()["predictions"]]
    assert answers == [samples.ANSWER, samples.OTHER_ANSWER]


def test_a_list_of_one_is_answered_with_a_list(service: Service) -> None:
    response = service.client.post("/predict", json={"inputs": [samples.VALUE]})

    assert len(response.json()["predictions"]) == 1


def test_a_raw_body_is_answered(service: Service) -> None:
    response = service.client.post(
        "/predict", content=samples.RAW, headers={"Content-Type": samples.RAW_MEDIA_TYPE}
    )

    assert response.json()["prediction"] == samples.ANSWER


def test_a_form_is_answered_one_field_or_several(service: Service) -> None:
    one = service.client.post("/predict", files={INPUT_FIELD: samples.RAW})
    two = service.client.post(
        "/predict", files=[(INPUT_FIELD, samples.RAW), (INPUT_FIELD, samples.OTHER_RAW)]
    )

    assert one.json()["prediction"] == samples.ANSWER
    assert [each["prediction"] for each in two.json()["predictions"]] == [
        samples.ANSWER,
        samples.OTHER_ANSWER,
    ]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "cp437"])
def test_a_file_name_in_any_encoding_is_no_hindrance(service: Service, encoding: str) -> None:
    name = "caf\u00e9".encode(encoding)
    head = b'--b\r\nContent-Disposition: form-data; name="%b"; filename="%b"\r\n\r\n'
    body = head % (INPUT_FIELD.encode(), name) + samples.RAW + b"\r\n--b--\r\n"

    response = service.client.post(
        "/predict", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"}
    )

    assert response.json().get("prediction") == samples.ANSWER, response.text


def test_every_way_to_send_an_input_gets_the_same_answer(service: Service) -> None:
    by_json = service.client.post("/predict", json=ONE)
    by_form = service.client.post("/predict", files={INPUT_FIELD: samples.RAW})
    by_body = service.client.post(
        "/predict", content=samples.RAW, headers={"Content-Type": samples.RAW_MEDIA_TYPE}
    )

    assert by_json.json() == by_form.json() == by_body.json()


@pytest.mark.parametrize("value", samples.BAD_VALUES.values(), ids=samples.BAD_VALUES)
def test_a_bad_value_is_refused_by_its_field(service: Service, value: object) -> None:
    alone = post_json(service, {INPUT_FIELD: value})
    among_others = post_json(service, {"inputs": [samples.VALUE, value]})

    assert_problem(alone, 422, "invalid_input", INPUT_FIELD)
    assert_problem(among_others, 422, "invalid_input", "inputs[1]")


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        (b"", 400, "malformed_body", ""),
        (b"{", 400, "malformed_body", ""),
        (b"\xff\xfe", 400, "malformed_body", ""),
        (b"[" * 100_000, 400, "malformed_body", ""),
        (b'{"a":' * 100_000, 400, "malformed_body", ""),
        (b"null", 422, "invalid_input", "body"),
        (b"[]", 422, "invalid_input", "body"),
        (b"NaN", 422, "invalid_input", "body"),
        (b"{}", 422, "invalid_input", INPUT_FIELD),
        (b'{"inputs": []}', 422, "invalid_input", "inputs"),
        (b'{"inputs": 1}', 422, "invalid_input", "inputs"),
        (b'{"inputs": [NaN]}', 422, "invalid_input", "inputs[0]"),
        (json.dumps({**ONE, "colour": 1}).encode(), 422, "invalid_input", "colour"),
        (json.dumps({**ONE, **MANY}).encode(), 422, "invalid_input", INPUT_FIELD),
        (json.dumps({"inputs": [samples.VALUE] * 33}).encode(), 422, "invalid_input", "inputs"),
        (json.dumps({"inputs": [1] * 2_000_000}).encode(), 422, "invalid_input", "inputs"),
        (json.dumps({str(i): i for i in range(500_000)}).encode(), 422, "invalid_input", "body"),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else None,
)
def test_a_wrong_json_body_is_refused(
    service: Service, body: bytes, status: int, code: str, field: str
) -> None:
    response = service.client.post(
        "/predict", content=body, headers={"Content-Type": "application/json"}
    )

    assert_problem(response, status, code, field)


@pytest.mark.parametrize(
    ("content_type", "body", "status", "code", "field"),
    [
        ("", b"x", 415, "unsupported_media_type", ""),
        ("application/xml", b"<a/>", 415, "unsupported_media_type", ""),
        ("rubbish", b"x", 415, "unsupported_media_type", ""),
        (RAW_MEDIA_TYPES[0], b"", 422, "invalid_input", "body"),
        ("multipart/form-data", b"x", 400, "malformed_body", ""),
        ("multipart/form-data; boundary=b", b"x", 400, "malformed_body", ""),
        ("multipart/form-data; boundary=b", b"--b--\r\n", 422, "invalid_input", INPUT_FIELD),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="colour"\r\n\r\n1\r\n--b--\r\n',
            422,
            "invalid_input",
            "colour",
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="' + INPUT_FIELD.encode() + b'"\r\n\r\n1',
            400,
            "malformed_body",
            "",
        ),
    ],
)
def test_a_wrong_body_of_another_type_is_refused(
    service: Service, content_type: str, body: bytes, status: int, code: str, field: str
) -> None:
    response = service.client.post("/predict", content=body, headers={"Content-Type": content_type})

    assert_problem(response, status, code, field)


@given(
    content_type=st.sampled_from(
        ["application/json", "multipart/form-data; boundary=b", *RAW_MEDIA_TYPES, "text/plain"]
    ),
    body=st.one_of(
        st.binary(max_size=300),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ).map(lambda value: json.dumps({INPUT_FIELD: value, "inputs": value}).encode()),
        st.binary(max_size=100).map(lambda part: b"--b\r\n" + part + b"\r\n--b--\r\n"),
        st.binary(max_size=100).map(lambda tail: samples.RAW[:-20] + tail),
    ),
)
@hypothesis_settings(
    deadline=None,
    derandomize=True,
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_body_makes_a_500(service: Service, content_type: str, body: bytes) -> None:
    response = service.client.post("/predict", content=body, headers={"Content-Type": content_type})

    assert response.status_code < httpx.codes.INTERNAL_SERVER_ERROR, response.text


def test_answers_are_as_described(service: Service) -> None:
    document = service.client.get("/openapi.json").json()
    answers = document["paths"]["/predict"]["post"]["responses"]
    good = answers["200"]["content"]["application/json"]["schema"]
    bad = answers["422"]["content"]["application/problem+json"]["schema"]

    for schema, body in [(good, ONE), (good, MANY), (bad, {})]:
        validator = Draft202012Validator({**schema, "components": document["components"]})
        validator.validate(service.client.post("/predict", json=body).json())


def post_json(service: Service, value: object) -> httpx.Response:
    headers = {"Content-Type": "application/json"}
    return service.client.post("/predict", content=json.dumps(value), headers=headers)
