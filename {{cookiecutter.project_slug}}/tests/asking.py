"""How tests ask an application, and what they look at in its answers."""

import re
import threading
import time
from typing import Any

import httpx
import samples
from conftest import Service


def ask(
    service: Service, body: object = samples.BODY, route: str = samples.ROUTE, **options: Any
) -> httpx.Response:
    """The answer to *body*, the sample of the task when there is none."""
    return service.client.post(route, json=body, **options)


def in_background(
    service: Service,
    body: object = samples.BODY,
    answers: dict[str, httpx.Response] | None = None,
    name: str = "",
    route: str = samples.ROUTE,
) -> threading.Thread:
    """Ask in a thread, and keep the answer in *answers* under *name*."""

    def run() -> None:
        response = ask(service, body, route)
        if answers is not None:
            answers[name] = response

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def assert_problem(response: httpx.Response, status: int, code: str, field: str = "") -> None:
    """Fail unless *response* is the problem *code*, and names *field* where one is given."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["detail"]
    assert problem["request_id"] == response.headers["x-request-id"]
    if field:
        assert field in [each["field"] for each in problem["errors"]]


def path_of(route: str) -> str:
    """A path of *route*, which may have names in braces."""
    return re.sub(r"\{(\w+)\}", lambda name: {"version": "1"}.get(name[1], "default"), route)


def sample(service: Service, name: str, **labels: str) -> float:
    """The figure *name*, as Prometheus would read it."""
    return service.metrics.registry.get_sample_value(name, labels) or 0.0


def wait_for(condition: Any, seconds: float = 5) -> None:
    """Return when *condition* holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "It did not come to pass."
        time.sleep(0.005)
