"""The HTTP contract: every route, every error, from outside."""

import io
import json
import re
import threading
import time
from typing import Any

import httpx
import pytest
import samples
from conftest import MakeService, Service
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from service.schemas import INPUT_FIELD, RAW_MEDIA_TYPES
from service.web.routes import ROUTES

ONE = {INPUT_FIELD: samples.VALUE}
MANY = {"inputs": [samples.VALUE, samples.OTHER_VALUE]}


def assert_problem(response: httpx.Response, status: int, code: str, field: str = "") -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["detail"]
    assert problem["request_id"] == response.headers["x-request-id"]
    if field:
        assert field in [each["field"] for each in problem["errors"]]


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

    if value == "\ud800":  # no JSON text can hold it
        assert_problem(alone, 400, "malformed_body")
        assert_problem(among_others, 400, "malformed_body")
    else:
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


def test_a_body_over_the_limit_is_refused(make_service: MakeService) -> None:
    service = make_service(max_body_bytes=100)

    response = service.client.post("/predict", content=b"x" * 101)

    assert_problem(response, 413, "body_too_large")


def test_a_chunked_body_is_read_and_limited_too(make_service: MakeService) -> None:
    service = make_service(max_body_bytes=len(samples.RAW))
    service.wait_until_ready()

    assert ask_chunked(service, samples.RAW) == "200 OK"
    assert ask_chunked(service, samples.RAW + b"x").startswith("413 ")


@pytest.mark.parametrize("length", ["-1", "many", "1e3"])
def test_a_content_length_that_is_no_number_is_refused(service: Service, length: str) -> None:
    response = service.client.post("/predict", headers={b"Content-Length": length.encode()})

    assert_problem(response, 400, "malformed_body")


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


@pytest.mark.parametrize("path", ["/nothing", "/predict/", "/predict//", "/static/nothing", "/é"])
def test_an_unknown_path_is_a_404(service: Service, path: str) -> None:
    assert_problem(service.client.get(f"http://service.test{path}"), 404, "not_found")


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_route_has_its_methods_and_no_others(service: Service, path: str, method: str) -> None:
    response = service.client.request(method, path)

    if method in ROUTES[path]:
        assert response.status_code != httpx.codes.METHOD_NOT_ALLOWED
    else:
        assert response.status_code == httpx.codes.METHOD_NOT_ALLOWED
        assert response.headers["allow"] == ", ".join(ROUTES[path])


def test_a_request_id_is_kept_or_given(service: Service) -> None:
    kept = service.client.get("/livez", headers={"X-Request-Id": "abc-123"})
    given = service.client.get("/livez")
    replaced = service.client.get("/livez", headers={"X-Request-Id": "a b\tc" * 99})

    assert kept.headers["x-request-id"] == "abc-123"
    assert re.fullmatch("[0-9a-f]{32}", given.headers["x-request-id"])
    assert re.fullmatch("[0-9a-f]{32}", replaced.headers["x-request-id"])


def test_it_is_live_before_it_is_ready(make_service: MakeService) -> None:
    may_load = threading.Event()
    service = make_service()
    service.pipeline.close()

    def load(*args: Any, **options: Any) -> object:
        may_load.wait(10)
        return service.model(*args, **options)

    loading = make_service(load=load)
    assert loading.client.get("/livez").json() == {"status": "live"}
    not_ready = loading.client.get("/readyz")
    assert_problem(not_ready, 503, "not_ready")
    assert int(not_ready.headers["retry-after"]) >= 1
    assert_problem(loading.client.post("/predict", json=ONE), 503, "not_ready")
    may_load.set()
    loading.wait_until_ready()
    assert loading.client.post("/predict", json=ONE).status_code == httpx.codes.OK


def test_a_draining_service_is_not_ready_but_answers_and_closes(service: Service) -> None:
    service.pipeline.drain()

    assert_problem(service.client.get("/readyz"), 503, "not_ready")
    answered = service.client.post("/predict", json=ONE)
    assert answered.status_code == httpx.codes.OK
    assert answered.headers["connection"] == "close"


def test_a_model_that_does_not_come_back_makes_it_not_live(make_service: MakeService) -> None:
    service = make_service(stuck_seconds=0.05, request_timeout_seconds=0.1)
    service.wait_until_ready()
    service.model.gate.clear()

    assert_problem(service.client.post("/predict", json=ONE), 504, "deadline_exceeded")
    assert_problem(service.client.get("/livez"), 503, "stuck")
    service.model.gate.set()


def test_a_caller_may_ask_for_less_time(service: Service) -> None:
    service.model.gate.clear()
    started = time.monotonic()

    response = service.client.post("/predict", json=ONE, headers={"X-Request-Timeout": "0.1"})

    assert_problem(response, 504, "deadline_exceeded")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("timeout", ["0", "-1", "nan", "inf", "soon", ""])
def test_a_timeout_that_is_none_is_refused(service: Service, timeout: str) -> None:
    response = service.client.post("/predict", json=ONE, headers={"X-Request-Timeout": timeout})

    assert_problem(response, 422, "invalid_input", "X-Request-Timeout")


def test_a_full_queue_is_refused_with_a_time_to_come_back(make_service: MakeService) -> None:
    service = make_service(max_batch_size=1, max_queued_inputs=1)
    service.wait_until_ready()
    service.model.gate.clear()
    running = in_background(service, ONE)
    assert service.model.entered.wait(5)
    queued = in_background(service, ONE)
    wait_for(lambda: sample(service, "service_queued_inputs") == 1)

    refused = service.client.post("/predict", json=ONE)

    assert_problem(refused, 503, "queue_full")
    assert int(refused.headers["retry-after"]) >= 1
    service.model.gate.set()
    for thread in (running, queued):
        thread.join(5)
    assert sample(service, "service_shed_inputs_total", reason="queue_full") == 1


def test_a_poisoned_input_fails_alone(service: Service) -> None:
    service.model.gate.clear()
    answers: dict[str, httpx.Response] = {}
    first = in_background(service, ONE)  # occupies the model while the others wait
    assert service.model.entered.wait(5)
    others = [
        in_background(service, {INPUT_FIELD: value}, answers, name)
        for name, value in [("good", samples.VALUE), ("poison", samples.POISON_VALUE)]
    ]
    wait_for(lambda: sample(service, "service_queued_inputs") == 2)
    service.model.gate.set()
    for thread in (first, *others):
        thread.join(5)

    assert answers["good"].json()["prediction"] == samples.ANSWER
    assert_problem(answers["poison"], 500, "model_failed")
    assert "poisoned" not in answers["poison"].text


def test_a_fault_of_ours_tells_nothing_of_our_insides(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(service.pipeline.task, "postprocess", fail)

    response = service.client.post("/predict", json=ONE)

    assert_problem(response, 500, "unexpected")
    assert "secret" not in response.text


def test_a_model_that_cannot_be_loaded_is_told_to_whoever_runs_the_service(
    make_service: MakeService,
) -> None:
    def load(*_args: Any, **_options: Any) -> object:
        raise RuntimeError("no such network")

    service = make_service(load=load)
    wait_for(lambda: bool(service.failures))

    assert str(service.failures[0]) == "no such network"
    assert_problem(service.client.get("/livez"), 503, "stuck")


def test_figures_are_there_for_prometheus(service: Service) -> None:
    service.client.post("/predict", json=MANY)

    response = service.client.get("/metrics")

    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'service_requests_total{method="POST",route="/predict",status="200"} 1.0' in (
        response.text
    )
    assert sample(service, "service_batch_size_sum") == 2
    assert sample(service, "service_ready") == 1
    assert 'service_model_info{format="fake",name="default"' in response.text


def test_unknown_paths_do_not_multiply_the_figures(service: Service) -> None:
    for i in range(3):
        service.client.get(f"/nothing-{i}")

    assert sample(service, "service_requests_total", method="GET", route="other", status="404") == 3


def test_the_description_is_valid_and_names_every_route(service: Service) -> None:
    document = service.client.get("/openapi.json").json()

    validate(document)
    assert set(document["paths"]) == set(ROUTES)
    for path, item in document["paths"].items():
        assert {method.upper() for method in item} == set(ROUTES[path]) - {"HEAD"}


def test_answers_are_as_described(service: Service) -> None:
    document = service.client.get("/openapi.json").json()
    answers = document["paths"]["/predict"]["post"]["responses"]
    good = answers["200"]["content"]["application/json"]["schema"]
    bad = answers["422"]["content"]["application/problem+json"]["schema"]

    for schema, body in [(good, ONE), (good, MANY), (bad, {})]:
        validator = Draft202012Validator({**schema, "components": document["components"]})
        validator.validate(service.client.post("/predict", json=body).json())


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_needs_no_other_host(service: Service, path: str) -> None:
    page = service.client.get(path)

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    for link in links:
        assert not re.match(r"(https?:)?//", link)
        if link.startswith("static/"):
            assert service.client.get(f"/{link}").status_code == httpx.codes.OK
    assert "default-src 'self'" in page.headers["content-security-policy"]


def post_json(service: Service, value: object) -> httpx.Response:
    headers = {"Content-Type": "application/json"}
    return service.client.post("/predict", content=json.dumps(value), headers=headers)


def ask_chunked(service: Service, body: bytes) -> str:
    """The status of a request whose length is not known beforehand."""
    statuses = []
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/predict",
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_NAME": "service.test",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_TYPE": samples.RAW_MEDIA_TYPE,
        "HTTP_TRANSFER_ENCODING": "chunked",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": io.StringIO(),
    }

    def start_response(status: str, _headers: object, _info: object = None) -> Any:
        statuses.append(status)

    list(service.app(environ, start_response))
    return statuses[0]


def in_background(
    service: Service,
    body: dict[str, Any],
    answers: dict[str, httpx.Response] | None = None,
    name: str = "",
) -> threading.Thread:
    def ask() -> None:
        response = service.client.post("/predict", json=body)
        if answers is not None:
            answers[name] = response

    thread = threading.Thread(target=ask)
    thread.start()
    return thread


def sample(service: Service, name: str, **labels: str) -> float:
    return service.metrics.registry.get_sample_value(name, labels) or 0.0


def wait_for(condition: Any, seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "It did not come to pass."
        time.sleep(0.005)
