"""The client of the model server, by each of its interfaces: right texts, and none."""

import time

import pytest
from model_servers import NOT_THERE, RunningServer
from server_asks import SECONDS, answer, prompt
from together import side_by_side

from model.preprocess import Task
from service import manifest as manifests
from service.errors import Refused, TimedOut, Unreachable
from service.model_server import ModelServer
from service.sampling import Sampling
from service.texts import FinishReason, Prompt

pytest_plugins = ["asked_server", "asked_model"]


def test_it_goes_on_as_the_exported_model_did(client: ModelServer, server: RunningServer) -> None:
    inputs, outputs = manifests.read_golden(server.model_dir / "1")
    whole = [row for row, length in enumerate(inputs["lengths"]) if length == 0]

    for row in whole:
        asked = Prompt(inputs["tokens"][row].tolist(), Sampling(), 1, frozenset())
        assert answer(client, asked) == [int(outputs["logits"][row].argmax()), "length"]
    assert whole


def test_an_end_token_ends_the_text_and_is_no_part_of_it(client: ModelServer, task: Task) -> None:
    asked = prompt(task, "Two", 8, temperature=1.0)
    free = answer(client, asked)
    token = free[2]
    assert isinstance(token, int)
    ended = Prompt(asked.tokens, asked.sampling, 8, frozenset({token}))

    assert answer(client, ended) == [*free[: free.index(token)], "stop"]


def test_a_seed_repeats_a_text(client: ModelServer, task: Task) -> None:
    how = {"temperature": 1.0, "top_p": 0.9}
    first = answer(client, prompt(task, "Three", 20, 3, **how))

    assert first == answer(client, prompt(task, "Three", 20, 3, **how))
    assert first != answer(client, prompt(task, "Three", 20, 4, **how))


def test_texts_side_by_side_are_those_of_one_alone(client: ModelServer, task: Task) -> None:
    asked = [prompt(task, f"Number {i}" + " and" * i, 5 + i, i, temperature=1.0) for i in range(20)]
    alone = [answer(client, each) for each in asked]
    found: dict[int, list[int | FinishReason]] = {}

    def ask(number: int) -> None:
        found[number] = answer(client, asked[number])

    side_by_side(20, ask)

    assert [found[i] for i in range(20)] == alone


def test_it_says_which_versions_it_has(server: RunningServer, url: str, task: Task) -> None:
    other = ModelServer(server.as_settings(url), server.manifest(7))

    assert not other.is_ready(timeout_seconds=SECONDS)
    assert ModelServer(server.as_settings(url), server.manifest()).is_ready(timeout_seconds=SECONDS)
    with pytest.raises(Refused, match="7"):
        answer(other, prompt(task, "On"))


def test_a_server_that_hangs_is_waited_for_so_long_and_no_longer(
    server: RunningServer, client: ModelServer, task: Task
) -> None:
    server.hang()
    started = time.monotonic()
    try:
        with pytest.raises(TimedOut):
            next(client.generate(prompt(task, "On"), timeout_seconds=0.5))
    finally:
        server.go_on()

    assert 0.4 < time.monotonic() - started < 3
    assert answer(client, prompt(task, "On", 3))


@pytest.mark.parametrize("nowhere", NOT_THERE)
def test_a_server_that_is_not_there_is_unreachable(
    server: RunningServer, task: Task, nowhere: str
) -> None:
    client = ModelServer(server.as_settings(nowhere), server.manifest())

    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        answer(client, prompt(task, "On"))
