"""What TorchServe's client has to itself: streams, and tokens of its interface."""

import time
from pathlib import Path

import pytest
from model_servers import RunningServer
from server_asks import SECONDS, answer, prompt

from model.preprocess import Task
from service.errors import Refused
from service.model_server import ModelServer
from service.sampling import Sampling
from service.texts import Prompt

pytest_plugins = ["asked_server", "asked_model"]


def test_tokens_come_one_by_one_and_then_the_reason(client: ModelServer, task: Task) -> None:
    stream = client.generate(prompt(task, "One", 40), timeout_seconds=SECONDS)
    came = [(time.monotonic(), item) for item in stream]

    assert [type(item) for _, item in came] == [int] * 40 + [str]
    assert came[-1][0] - came[0][0] > 0.01  # they were not all there at once


def test_a_reader_that_leaves_frees_its_place(client: ModelServer, task: Task) -> None:
    for _ in range(40):  # more than run side by side
        stream = client.generate(prompt(task, "On", 60), timeout_seconds=SECONDS)
        next(stream)
        stream.close()
    started = time.monotonic()

    answer(client, prompt(task, "On", 2))

    assert time.monotonic() - started < 5


def test_what_it_does_not_take_is_refused_alone(client: ModelServer, task: Task) -> None:
    good = prompt(task, "Good", 5)
    running = client.generate(good, timeout_seconds=SECONDS)
    first = next(running)

    with pytest.raises(Refused, match="vocabulary"):
        answer(client, Prompt([10**6], Sampling(), 5, frozenset()))
    with pytest.raises(Refused, match="together are accepted"):
        answer(client, Prompt(good.tokens, Sampling(), 10**6, frozenset()))

    assert [first, *running] == answer(client, good)


def test_who_has_no_token_is_refused(server: RunningServer, task: Task, tmp_path: Path) -> None:
    settings = server.with_key(tmp_path / "key_file.json", "guessed")

    with pytest.raises(Refused, match="Token Authorization failed"):
        answer(ModelServer(settings, server.manifest()), prompt(task, "On"))
