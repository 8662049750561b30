"""The model in TorchServe, asked for real."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from model_servers import RunningServer, running_server
from trained import make_model

from service import manifest as manifests
from service.manifest import Manifest
from service.model_server import ModelServer
from service.sampling import Sampling
from service.sequences import FinishReason, Prompt
from service.server_errors import Refused, TimedOut, Unreachable
from service.task import Task

SECONDS = 20.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("torchserve")
    with running_server(make_model(folder), folder) as server:
        yield server


@pytest.fixture
def client(server: RunningServer) -> Iterator[ModelServer]:
    client = ModelServer(server.as_settings(), server.manifest())
    yield client
    client.close()


@pytest.fixture(scope="module")
def facts(server: RunningServer) -> Manifest:
    return manifests.read(server.model_dir / "1")


@pytest.fixture(scope="module")
def task(server: RunningServer, facts: Manifest) -> Task:
    return Task(server.model_dir / "1", facts, server.as_settings())


def prompt(task: Task, text: str, most: int = 12, seed: int | None = None) -> Prompt:
    sampling = Sampling() if seed is None else Sampling(temperature=1.0, top_p=0.9, seed=seed)
    return Prompt(task.encode(text), sampling, most, frozenset())


def answer(client: ModelServer, asked: Prompt) -> list[int | FinishReason]:
    return list(client.generate(asked, timeout_seconds=SECONDS))


def test_it_goes_on_as_the_exported_model_did(client: ModelServer, server: RunningServer) -> None:
    inputs, outputs = manifests.read_golden(server.model_dir / "1")
    whole = [row for row, length in enumerate(inputs["lengths"]) if length == 0]

    for row in whole:
        asked = Prompt(inputs["tokens"][row].tolist(), Sampling(), 1, frozenset())
        assert answer(client, asked) == [int(outputs["logits"][row].argmax()), "length"]
    assert whole


def test_tokens_come_one_by_one_and_then_the_reason(client: ModelServer, task: Task) -> None:
    stream = client.generate(prompt(task, "One", 40), timeout_seconds=SECONDS)
    came = [(time.monotonic(), item) for item in stream]

    assert [type(item) for _, item in came] == [int] * 40 + [str]
    assert came[-1][0] - came[0][0] > 0.01  # they were not all there at once


def test_an_end_token_ends_the_text_and_is_no_part_of_it(client: ModelServer, task: Task) -> None:
    free = answer(client, prompt(task, "Two", 8))
    token = free[2]
    assert isinstance(token, int)
    asked = prompt(task, "Two", 8)
    ended = Prompt(asked.tokens, asked.sampling, 8, frozenset({token}))

    assert answer(client, ended) == [*free[: free.index(token)], "stop"]


def test_a_seed_repeats_a_text(client: ModelServer, task: Task) -> None:
    first = answer(client, prompt(task, "Three", 20, seed=3))

    assert first == answer(client, prompt(task, "Three", 20, seed=3))
    assert first != answer(client, prompt(task, "Three", 20, seed=4))


def test_texts_side_by_side_are_those_of_one_alone(client: ModelServer, task: Task) -> None:
    asked = [prompt(task, f"Number {i}" + " and" * i, 5 + i, seed=i) for i in range(20)]
    alone = [answer(client, each) for each in asked]
    found: dict[int, list[int | FinishReason]] = {}

    def ask(number: int) -> None:
        found[number] = answer(client, asked[number])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [found[i] for i in range(20)] == alone


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


def test_it_says_which_versions_it_has(server: RunningServer, task: Task) -> None:
    other = ModelServer(server.as_settings(), server.manifest(7))

    assert ModelServer(server.as_settings(), server.manifest()).is_ready(timeout_seconds=SECONDS)
    assert not other.is_ready(timeout_seconds=SECONDS)
    with pytest.raises(Refused, match="404"):
        answer(other, prompt(task, "On"))


def test_who_has_no_token_is_refused(server: RunningServer, task: Task, tmp_path: Path) -> None:
    key_file = tmp_path / "key_file.json"
    key_file.write_text('{"inference": {"key": "guessed"}}')
    settings = server.as_settings().model_copy(update={"model_server_key_file": key_file})

    with pytest.raises(Refused, match="Token Authorization failed"):
        answer(ModelServer(settings, server.manifest()), prompt(task, "On"))


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


def test_a_server_that_is_not_there_is_unreachable(server: RunningServer, task: Task) -> None:
    settings = server.as_settings().model_copy(update={"model_server_url": "http://127.0.0.1:9"})

    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        answer(ModelServer(settings, server.manifest()), prompt(task, "On"))
