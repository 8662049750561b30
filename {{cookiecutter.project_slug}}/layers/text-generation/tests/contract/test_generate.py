"""``/generate``: every way to ask, every wrong one, from outside."""

import json
import math
from typing import Any

import httpx
import pytest
import samples
from asking import ask, assert_problem, sample, wait_for
from conftest import MakeService, Service
from fakes import slow_model
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from streams import ask_for_stream, open_stream

JSON = {"Content-Type": "application/json"}
PROMPT_TOKENS = len(samples.VALUE)
ANSWER_TOKENS = len(samples.ANSWER_TOKENS)


def post(service: Service, **fields: Any) -> httpx.Response:
    """The answer to the sample with other *fields*; they may be what no client would send."""
    content = json.dumps({**samples.BODY, **fields})
    return service.client.post(samples.ROUTE, content=content, headers=JSON)


def text_of(service: Service, **fields: Any) -> str:
    """The text that follows."""
    response = post(service, **fields)
    assert response.status_code == httpx.codes.OK, response.text
    text: str = response.json()["generated_text"]
    return text


def test_a_text_is_followed_by_a_text(service: Service) -> None:
    response = ask(service)

    assert response.status_code == httpx.codes.OK, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {
        "generated_text": samples.ANSWER,
        "finish_reason": "stop",
        "usage": {
            "prompt_tokens": PROMPT_TOKENS,
            "completion_tokens": ANSWER_TOKENS,
            "total_tokens": PROMPT_TOKENS + ANSWER_TOKENS,
        },
        "model": {"name": "default", "version": 1},
    }


def test_a_text_may_be_complete(service: Service) -> None:
    answer = post(service, text=samples.NOTHING).json()

    assert answer["generated_text"] == ""
    assert answer["finish_reason"] == "stop"
    assert answer["usage"]["completion_tokens"] == 0


def test_a_text_is_cut_where_the_caller_says(service: Service) -> None:
    answer = post(service, max_new_tokens=3).json()

    assert answer["generated_text"] == samples.ANSWER[:3]
    assert answer["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 3


def test_a_text_is_never_cut_within_a_character(service: Service) -> None:
    for count in range(1, ANSWER_TOKENS + 1):
        text = text_of(service, max_new_tokens=count)
        assert samples.ANSWER.startswith(text)
        assert len(samples.TOKENS.encode(text).ids) > count - 4


def test_a_text_is_cut_where_the_service_or_the_context_ends(make_service: MakeService) -> None:
    service = make_service(max_new_tokens=20, max_context_tokens=50)
    service.wait_until_ready()

    assert text_of(service, text=samples.FOREVER) == "a" * 20
    assert text_of(service, text=samples.FOREVER, max_new_tokens=21) == "a" * 20
    assert text_of(service, text=samples.FOREVER.rjust(42)) == "a" * 8


@pytest.mark.parametrize(
    ("stop", "text", "reason"),
    [
        ("ü", " Gr", "stop"),
        (["ß", "ü"], " Gr", "stop"),
        ("👋", " Grüße ", "stop"),
        ("🏽, 世", " Grüße 👋", "stop"),
        (" ", "", "stop"),
        ("!!", samples.ANSWER, "stop"),  # its own end: the last of it was held back
        ("nowhere", samples.ANSWER, "stop"),
        ([], samples.ANSWER, "stop"),
        (None, samples.ANSWER, "stop"),
    ],
)
def test_a_stop_string_ends_the_text_and_is_no_part_of_it(
    service: Service, stop: object, text: str, reason: str
) -> None:
    answer = post(service, stop=stop).json()

    assert (answer["generated_text"], answer["finish_reason"]) == (text, reason)
    assert "".join(piece["text"] for piece in pieces(service, stop=stop)) == text


def test_the_most_likely_text_is_the_default_and_a_seed_repeats_another(service: Service) -> None:
    dice: dict[str, Any] = {"text": samples.DICE, "max_new_tokens": 30}

    assert text_of(service, **dice) == text_of(service, **dice) == "0" * 30
    first = text_of(service, **dice, temperature=1, seed=3)
    assert first == text_of(service, **dice, temperature=1, seed=3)
    assert first != text_of(service, **dice, temperature=1, seed=4)
    assert text_of(service, **dice, temperature=1) != text_of(service, **dice, temperature=1)
    assert set(first) > set("012")


def test_every_parameter_reaches_the_sampler(service: Service) -> None:
    dice: dict[str, Any] = {"text": samples.DICE, "max_new_tokens": 10}

    assert text_of(service, **dice, temperature=2, top_k=1) == "0" * 10
    assert text_of(service, **dice, temperature=2, top_p=0.05) == "0" * 10
    assert text_of(service, **dice, repetition_penalty=2) == "0123456789"
    assert text_of(service, **dice, presence_penalty=1) == "0123456789"
    assert text_of(service, **dice, frequency_penalty=1) == "0123456789"


def pieces(service: Service, **fields: Any) -> list[Any]:
    """The data of each event of the answer."""
    events = ask_for_stream(service, samples.ROUTE, {**samples.BODY, **fields})
    assert {kind for kind, _ in events} == {"message"}
    return [data for _, data in events]


def test_a_stream_gives_the_same_text_piece_by_piece(service: Service) -> None:
    *first, last = pieces(service)

    assert "".join(piece["text"] for piece in (*first, last)) == samples.ANSWER
    assert [piece["text"] for piece in first] == list(samples.ANSWER)  # no character is cut
    assert all(piece["finish_reason"] is piece["usage"] is None for piece in first)
    assert last["finish_reason"] == "stop"
    assert last["usage"] == ask(service).json()["usage"]


def test_a_stream_can_be_cut_too(service: Service) -> None:
    *_, last = pieces(service, max_new_tokens=2)

    assert last["finish_reason"] == "length"
    assert last["usage"]["completion_tokens"] == 2


@pytest.mark.parametrize("fields", [{"text": ""}, {"max_new_tokens": 0}, {"seed": "x"}])
def test_what_can_be_refused_is_refused_before_a_stream_begins(
    service: Service, fields: dict[str, Any]
) -> None:
    assert_problem(post(service, stream=True, **fields), 422, "invalid_input", next(iter(fields)))


def test_an_error_in_a_stream_is_an_event(service: Service) -> None:
    ((kind, problem),) = ask_for_stream(service, samples.ROUTE, {"text": samples.POISON})

    assert kind == "error"
    assert (problem["status"], problem["code"]) == (500, "model_failed")
    assert problem["request_id"]
    assert "error" not in problem


def test_a_stream_past_its_deadline_ends_with_an_event(make_service: MakeService) -> None:
    service = make_service(request_timeout_seconds=0.1)
    service.wait_until_ready()
    service.model.gate.clear()

    ((kind, problem),) = ask_for_stream(service, samples.ROUTE, samples.BODY)

    assert kind == "error"
    assert (problem["status"], problem["code"]) == (504, "deadline_exceeded")
    service.model.gate.set()


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_a_reader_that_leaves_frees_its_place_at_once(
    make_service: MakeService, taken: int
) -> None:
    model = slow_model()
    service = make_service(load=model)
    service.wait_until_ready()
    stream = open_stream(service, samples.ROUTE, {"text": samples.FOREVER, "max_new_tokens": 480})
    assert model.entered.wait(5)
    for _ in range(taken):
        next(stream.chunks)
    assert sample(service, "service_requests_in_flight") == 1

    stream.close()
    stream.close()

    wait_for(lambda: sample(service, "service_sequences_total", ending="cancelled") == 1)
    assert sample(service, "service_generated_tokens_total") < 480
    assert sample(service, "service_requests_in_flight") == 0
    labels = {"method": "POST", "route": samples.ROUTE, "status": "200"}
    assert sample(service, "service_requests_total", **labels) == 1
    assert next(stream.chunks, None) is None


ACCEPTED: dict[str, list[object]] = {
    "max_new_tokens": [1, 480, 10_000, None],
    "temperature": [0, 0.0, 1e-300, 1, 2],
    "top_k": [0, 1, 10**30],
    "top_p": [0, 1e-300, 0.5, 1],
    "repetition_penalty": [0.1, 1, 10],
    "presence_penalty": [-2, 0, 2.0],
    "frequency_penalty": [-2.0, 0, 2],
    "stop": ["x", ["x"] * 16, "x" * 256, [], None],
    "seed": [0, -1, 2**63 - 1, None],
    "stream": [False, True],
}
REFUSED: dict[str, list[object]] = {
    "text": [
        *("", " \n\t\u3000", "x" * 1_000_000, "a\0b", "\ud800", "a\udfff"),
        *(7, True, None, ["a"], {"a": 1}),
    ],
    "max_new_tokens": [0, -1, 1.0, 1.5, "1", True, math.nan, math.inf, []],
    "temperature": [-0.1, 2.1, 10**400, math.nan, math.inf, -math.inf, "1", True, None],
    "top_k": [-1, 0.5, 1.0, "1", False, math.nan, math.inf, None],
    "top_p": [-0.1, 1.1, math.nan, math.inf, "1", True, None],
    "repetition_penalty": [0, 0.09, -1, 10.1, math.nan, math.inf, "1", True, None],
    "presence_penalty": [-2.1, 2.1, math.nan, -math.inf, "0", False, None],
    "frequency_penalty": [-2.1, 2.1, math.nan, -math.inf, "0", False, None],
    "stop": ["", [""], ["x"] * 17, "x" * 257, ["x", 1], 1, True, {}, [["x"]]],
    "seed": [-(2**63) - 1, 2**63, 1.0, "1", True, math.nan],
    "stream": [0, 1, "true", None, math.nan],
    "colour": ["red", None],
    "model": ["default"],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in ACCEPTED.items() for value in values]
)
def test_a_good_value_is_accepted(service: Service, field: str, value: object) -> None:
    assert post(service, **{field: value}).status_code == httpx.codes.OK


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param(field, value, id=f"{field}-{ascii(value)[:20]}")
        for field, values in REFUSED.items()
        for value in values
    ],
)
def test_a_bad_value_is_refused_by_its_field(service: Service, field: str, value: object) -> None:
    assert_problem(post(service, **{field: value}), 422, "invalid_input", field)


def test_a_prompt_that_leaves_no_room_is_refused(make_service: MakeService) -> None:
    service = make_service(max_context_tokens=50)
    service.wait_until_ready()

    assert_problem(post(service, text="x" * 50), 422, "context_length_exceeded", "text")
    assert post(service, text="x" * 49).json()["usage"]["completion_tokens"] == 1


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        (b"", 400, "malformed_body", ""),
        (b"{", 400, "malformed_body", ""),
        (b"\xff\xfe", 400, "malformed_body", ""),
        (b"[" * 100_000, 400, "malformed_body", ""),
        (b'{"text":' * 100_000, 400, "malformed_body", ""),
        (b'{"text": "a", "seed": ' + b"9" * 5000 + b"}", 400, "malformed_body", ""),
        (b"null", 422, "invalid_input", "body"),
        (b"[]", 422, "invalid_input", "body"),
        (b'"a"', 422, "invalid_input", "body"),
        (b"NaN", 422, "invalid_input", "body"),
        (b"{}", 422, "invalid_input", "text"),
        (b'{"text": ' + b"[" * 150 + b"]" * 150 + b"}", 422, "invalid_input", "text"),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else None,
)
def test_a_wrong_body_is_refused(
    service: Service, body: bytes, status: int, code: str, field: str
) -> None:
    response = service.client.post(samples.ROUTE, content=body, headers=JSON)

    assert_problem(response, status, code, field)


def test_all_that_is_wrong_is_named(service: Service) -> None:
    response = post(service, text=1, top_p=2, colour="red")

    found = {each["field"] for each in response.json()["errors"]}
    assert found == {"text", "top_p", "colour"}


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "multipart/form-data; boundary=b", "application/x-www-form-urlencoded", "x"],
)
def test_a_body_that_is_not_called_json_is_refused(service: Service, content_type: str) -> None:
    response = service.client.post(
        samples.ROUTE, content=samples.RAW, headers={"Content-Type": content_type}
    )

    assert_problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_json_may_be_called_so_in_other_ways(service: Service, content_type: str) -> None:
    response = service.client.post(
        samples.ROUTE, content=samples.RAW, headers={"Content-Type": content_type}
    )

    assert response.status_code == httpx.codes.OK


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
SOME_FIELDS = st.dictionaries(
    st.sampled_from([*ACCEPTED, "text", "colour"]),
    ANYTHING | st.sampled_from([0, 1, 2, 0.5, "x", "\ud800", "a" * 300]),
)


@given(body=st.binary(max_size=200) | SOME_FIELDS | ANYTHING)
@hypothesis_settings(
    deadline=None,
    derandomize=True,
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_body_makes_a_500(service: Service, body: object) -> None:
    if isinstance(body, dict):
        body = {**samples.BODY, "max_new_tokens": 2, **body}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = service.client.post(samples.ROUTE, content=content, headers=JSON)

    assert response.status_code < httpx.codes.INTERNAL_SERVER_ERROR, response.text
    assert "event: error" not in response.text


def test_answers_are_as_described(service: Service) -> None:
    document = service.client.get("/openapi.json").json()
    operation = document["paths"][samples.ROUTE]["post"]
    answers = operation["responses"]

    def validator(schema: dict[str, Any]) -> Draft202012Validator:
        return Draft202012Validator({**schema, "components": document["components"]})

    good = answers["200"]["content"]
    validator(good["application/json"]["schema"]).validate(ask(service).json())
    for event in pieces(service):
        validator(good["text/event-stream"]["schema"]).validate(event)
    bad = answers["422"]["content"]["application/problem+json"]["schema"]
    validator(bad).validate(post(service, text="").json())
    request = validator(operation["requestBody"]["content"]["application/json"]["schema"])
    request.validate({**samples.BODY, "stop": "x", "seed": None})
    assert not request.is_valid({**samples.BODY, "stop": ""})
    assert not request.is_valid({**samples.BODY, "colour": "red"})
