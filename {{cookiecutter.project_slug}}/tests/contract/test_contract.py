"""The HTTP contract around the model: every route, probes, limits, errors, from outside."""

import json
import re
import time
from math import prod
from pathlib import Path

import httpx
import pytest
import samples
from asking import ask, assert_problem, path_of, sample
from conftest import Service
from openapi_spec_validator import validate

from service.web.routes import ROUTES

METHODS = {route.path: route.methods for route in ROUTES}
MOST_NUMBERS = 20_000
"""The description has no tensors with more."""
NUMBERS = sum(prod(size or 1 for size in each.shape) for each in samples.SIGNATURE.inputs)
EXAMPLES = Path(__file__).parents[2] / "examples"
EXPECTED = json.loads((EXAMPLES / "expected.json").read_text(encoding="utf-8"))
DESCRIBED = {route.path for route in ROUTES if route.answers}


def test_a_compressed_body_is_refused(service: Service) -> None:
    response = ask(service, headers={"Content-Encoding": "gzip"})

    assert_problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "path", ["/nothing", f"{samples.ROUTE}/", f"{samples.ROUTE}//", "/static/nothing", "/é"]
)
def test_an_unknown_path_is_a_404(service: Service, path: str) -> None:
    assert_problem(service.client.get(f"http://service.test{path}"), 404, "not_found")


@pytest.mark.parametrize("route", METHODS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_route_has_its_methods_and_no_others(service: Service, route: str, method: str) -> None:
    response = service.client.request(method, path_of(route))

    if method in METHODS[route]:
        assert response.status_code != httpx.codes.METHOD_NOT_ALLOWED
    else:
        assert response.status_code == httpx.codes.METHOD_NOT_ALLOWED
        assert response.headers["allow"] == ", ".join(METHODS[route])


def test_a_request_id_is_kept_or_given(service: Service) -> None:
    kept = service.client.get("/livez", headers={"X-Request-Id": "abc-123"})
    given = service.client.get("/livez")
    replaced = service.client.get("/livez", headers={"X-Request-Id": "a b\tc" * 99})

    assert kept.headers["x-request-id"] == "abc-123"
    assert re.fullmatch("[0-9a-f]{32}", given.headers["x-request-id"])
    assert re.fullmatch("[0-9a-f]{32}", replaced.headers["x-request-id"])


def test_a_draining_service_is_not_ready_but_answers_and_closes(service: Service) -> None:
    service.pipeline.drain()

    assert_problem(service.client.get("/readyz"), 503, "not_ready")
    answered = ask(service)
    assert answered.status_code == httpx.codes.OK
    assert answered.headers["connection"] == "close"


def test_a_caller_may_ask_for_less_time(service: Service) -> None:
    service.model.gate.clear()
    started = time.monotonic()

    response = ask(service, headers={"X-Request-Timeout": "0.1"})

    assert_problem(response, 504, "deadline_exceeded")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("timeout", ["0", "-1", "nan", "inf", "soon", ""])
def test_a_timeout_that_is_none_is_refused(service: Service, timeout: str) -> None:
    response = ask(service, headers={"X-Request-Timeout": timeout})

    assert_problem(response, 422, "invalid_input", "X-Request-Timeout")


def test_a_fault_of_ours_tells_nothing_of_our_insides(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(type(service.pipeline), "model_version", property(fail))

    response = ask(service)

    assert_problem(response, 500, "unexpected")
    assert "secret" not in response.text


def test_metrics_are_there_for_prometheus(service: Service) -> None:
    ask(service)

    response = service.client.get("/metrics")

    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    labels = f'method="POST",route="{samples.ROUTE}",status="200"'
    assert f"service_requests_total{{{labels}}} 1.0" in response.text
    assert sample(service, "service_ready") == 1
    assert 'service_model_info{format="fake",name="default"' in response.text


def test_unknown_paths_do_not_multiply_the_metrics(service: Service) -> None:
    for i in range(3):
        service.client.get(f"/nothing-{i}")

    assert sample(service, "service_requests_total", method="GET", route="other", status="404") == 3


def test_the_description_is_valid_and_names_every_route(service: Service) -> None:
    document = service.client.get("/openapi.json").json()

    validate(document)
    assert set(document["paths"]) == DESCRIBED
    for path, item in document["paths"].items():
        assert {method.upper() for method in item} == set(METHODS[path]) - {"HEAD"}


def test_every_example_of_the_description_is_answered(service: Service) -> None:
    document = service.client.get("/openapi.json").json()
    for route, item in document["paths"].items():
        ((method, operation),) = item.items()
        path = route
        for each in operation.get("parameters", []):
            if each["in"] == "path":
                path = path.replace(f"{{{each['name']}}}", each["example"])
        bodies = operation.get("requestBody", {"content": {None: {"example": ""}}})["content"]
        for media_type, body in bodies.items():
            if media_type not in {"application/json", "text/plain", None}:
                continue  # a file, which no description can bring along
            if path.endswith("/infer") and NUMBERS > MOST_NUMBERS:
                continue
            content, headers = body["example"], {"Content-Type": media_type or ""}
            if media_type == "application/json":
                content = json.dumps(content)
            response = service.client.request(method, path, content=content, headers=headers)
            assert response.status_code == httpx.codes.OK, (method, path, response.text)


def test_the_description_tells_no_address_so_that_a_proxy_may_put_a_prefix_before_it(
    service: Service,
) -> None:
    assert service.client.get("/openapi.json").json()["servers"] == [{"url": "."}]


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_cannot_be_framed(service: Service, path: str) -> None:
    policy = service.client.get(path).headers["content-security-policy"]

    assert {"frame-ancestors 'none'", "base-uri 'none'"} <= set(policy.split("; "))


def test_the_model_is_described(service: Service) -> None:
    card = service.client.get("/model").json()

    assert (card["name"], card["version"], card["task"]) == ("default", 1, samples.TASK)
    assert card["labels"] == samples.LABELS
    assert {each["file"]: each["route"] for each in card["examples"]} == {
        name: route for route, files in EXPECTED.items() for name in files
    }


@pytest.mark.parametrize("name", [name for files in EXPECTED.values() for name in files])
def test_an_example_is_sent_as_it_is(service: Service, name: str) -> None:
    assert service.client.get(f"/examples/{name}").content == (EXAMPLES / name).read_bytes()


@pytest.mark.parametrize("name", ["expected.json", "request.sh", "..%2Fpyproject.toml", "nothing"])
def test_no_other_file_is_an_example(service: Service, name: str) -> None:
    assert_problem(service.client.get(f"/examples/{name}"), 404, "not_found")


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
