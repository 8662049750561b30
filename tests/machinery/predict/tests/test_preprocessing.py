"""Preprocessing takes turns, and ends when the caller has given up."""

import threading
from typing import Any

import httpx
import samples
from asking import ask, assert_problem, in_background, wait_for
from conftest import MakeService, Service

SOON = {"X-Request-Timeout": "0.1"}


class SlowTask:
    """The task of *service*, whose preprocessing waits for ``gate``."""

    def __init__(self, service: Service) -> None:
        self._task = service.pipeline.task
        self.gate = threading.Event()
        self.begun = 0

    def preprocess(self, value: bytes | str) -> Any:
        """As the task's own."""
        self.begun += 1
        self.gate.wait(10)
        return self._task.preprocess(value)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)


def slow(make_service: MakeService) -> tuple[Service, SlowTask]:
    """A service with room for one input that is preprocessed."""
    service = make_service(max_preprocessing=1)
    service.wait_until_ready()
    task = SlowTask(service)
    service.pipeline.task = task  # type: ignore[assignment]
    return service, task


def test_no_more_inputs_are_preprocessed_at_a_time_than_may(make_service: MakeService) -> None:
    service, task = slow(make_service)
    answers: dict[str, httpx.Response] = {}
    first = in_background(service, answers=answers, name="first")
    wait_for(lambda: task.begun == 1)

    refused = ask(service, headers=SOON)
    task.gate.set()
    first.join(5)

    assert_problem(refused, 504, "deadline_exceeded")
    assert task.begun == 1
    assert answers["first"].json()["prediction"] == samples.ANSWER
    assert ask(service).status_code == httpx.codes.OK


def test_nothing_is_preprocessed_for_a_caller_who_has_given_up(make_service: MakeService) -> None:
    service, task = slow(make_service)
    threading.Timer(0.3, task.gate.set).start()

    refused = ask(service, {"inputs": [samples.VALUE] * 5}, headers=SOON)

    assert_problem(refused, 504, "deadline_exceeded")
    assert task.begun == 1
