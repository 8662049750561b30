"""How tests of the Open Inference Protocol ask an application."""

import httpx
import samples
from asking import assert_problem
from conftest import Service

from service.manifest import Arrays

MODEL = "/v2/models/default"
INFER = f"{MODEL}/infer"


def prepared(service: Service, value: str = samples.VALUE) -> Arrays:
    """The arrays that the task makes of *value*."""
    return service.pipeline.task.preprocess(value).arrays


def assert_refused(response: httpx.Response, status: int, code: str, field: str = "") -> None:
    """Fail unless *response* is the problem *code*, and an error of the protocol too."""
    assert_problem(response, status, code, field)
    assert response.json()["error"] == response.json()["detail"]
