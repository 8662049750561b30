"""The model behind TensorFlow Serving's two interfaces, which a stand-in speaks."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from model_servers import RunningServer, running_server
from trained import make_model

from service import manifest as manifests
from service import runtime
from service.lengths import signature_lengths
from service.manifest import Arrays, Manifest
from service.model_server import ModelServer
from service.sampling import Sampler, Sampling
from service.sequences import FinishReason, Prompt
from service.server_errors import Failed, Garbage, Refused, TimedOut, Unreachable
from service.task import Parameters, Task

SECONDS = 20.0
HOW = [
    {},
    {"temperature": 1.0},
    {"temperature": 1.5, "top_k": 5},
    {"temperature": 0.8, "top_p": 0.9},
    {"temperature": 1.2, "top_k": 50, "top_p": 0.7},
    {"repetition_penalty": 1.3},
    {"temperature": 1.0, "presence_penalty": 0.5, "frequency_penalty": 0.3},
]
"""Ways to choose tokens: each parameter counts in one."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("serving")
    with running_server(make_model(folder), folder) as server:
        yield server


@pytest.fixture(params=["grpc", "rest"])
def url(request: pytest.FixtureRequest, server: RunningServer) -> str:
    return server.rest_url if request.param == "rest" else server.settings["MODEL_SERVER_URL"]


@pytest.fixture
def client(server: RunningServer, url: str) -> Iterator[ModelServer]:
    client = ModelServer(server.as_settings(url), server.manifest())
    yield client
    client.close()


@pytest.fixture(scope="module")
def facts(server: RunningServer) -> Manifest:
    return manifests.read(server.model_dir / "1")


@pytest.fixture(scope="module")
def task(server: RunningServer, facts: Manifest) -> Task:
    return Task(server.model_dir / "1", facts, server.as_settings())


class Steps:
    """The model step by step, as a service that runs it itself would: what answers have to be."""

    def __init__(self, server: RunningServer, facts: Manifest) -> None:
        artefact = facts.artefact("keras")
        self._predict = runtime.load(server.model_dir / "1", facts, artefact, threads=2)
        self._parameters = Parameters.model_validate(facts.parameters)

    def answer(self, prompt: Prompt) -> list[int | FinishReason]:
        sampler = Sampler(prompt.sampling, prompt.tokens, self._parameters.vocabulary_size)
        past, length, new = self._parameters.empty_past(1), 0, list(prompt.tokens)
        given: list[int | FinishReason] = []
        while len(given) < prompt.max_new_tokens:
            inputs = {"tokens": np.array([new]), "lengths": np.array([length]), "past": past}
            outputs = self._predict(inputs)
            present = outputs["present"]
            past = present if length == 0 else np.concatenate([past, present], axis=3)
            length += len(new)
            token = sampler.choose(outputs["logits"][0])
            if token in prompt.end_tokens:
                return [*given, "stop"]
            given.append(token)
            new = [token]
        return [*given, "length"]


@pytest.fixture(scope="module")
def steps(server: RunningServer, facts: Manifest) -> Steps:
    return Steps(server, facts)


def prompt(task: Task, text: str, most: int = 12, seed: int = 0, **how: float) -> Prompt:
    sampling = Sampling(**how, seed=seed)  # type: ignore[arg-type]  # top_k is a whole number
    return Prompt(task.encode(text), sampling, most, frozenset(task.end_tokens))


def answer(client: ModelServer, asked: Prompt) -> list[int | FinishReason]:
    return list(client.generate(asked, timeout_seconds=SECONDS))


@pytest.mark.parametrize("how", HOW, ids=str)
def test_it_goes_on_as_a_service_that_runs_the_model_itself(
    client: ModelServer, steps: Steps, task: Task, how: dict[str, float]
) -> None:
    for seed, text in enumerate(["One", "Two of them", "Three " * 9]):
        asked = prompt(task, text, 6 + 5 * seed, seed, **how)

        assert answer(client, asked) == steps.answer(asked)


def test_an_end_token_ends_the_text_and_is_no_part_of_it(client: ModelServer, task: Task) -> None:
    free = answer(client, prompt(task, "Two", 8, temperature=1.0))
    token = free[2]
    assert isinstance(token, int)
    asked = prompt(task, "Two", 8, temperature=1.0)
    ended = Prompt(asked.tokens, asked.sampling, 8, frozenset({token}))

    assert answer(client, ended) == [*free[: free.index(token)], "stop"]


def test_prompts_of_every_length_have_a_signature(
    client: ModelServer, facts: Manifest, steps: Steps
) -> None:
    parameters = Parameters.model_validate(facts.parameters)
    lengths = signature_lengths(parameters)
    assert lengths[-1] == parameters.context_length
    for length in {1, lengths[0], lengths[0] + 1, parameters.context_length - 2}:
        tokens = [7 + i % 20 for i in range(length)]
        asked = Prompt(tokens, Sampling(), 2, frozenset())

        assert answer(client, asked) == steps.answer(asked)


def test_texts_side_by_side_are_those_of_one_alone(client: ModelServer, task: Task) -> None:
    asked = [prompt(task, f"Number {i}" + " and" * i, 5 + i, i, temperature=1.0) for i in range(8)]
    alone = [answer(client, each) for each in asked]
    found: dict[int, list[int | FinishReason]] = {}

    def ask(number: int) -> None:
        found[number] = answer(client, asked[number])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [found[i] for i in range(8)] == alone


def test_rows_of_one_call_do_not_touch_each_other(
    client: ModelServer, steps: Steps, task: Task
) -> None:
    """TensorFlow Serving puts requests of one signature into one call."""
    asked = [
        prompt(task, text, most, seed, **HOW[seed])
        for seed, (text, most) in enumerate([("One", 3), ("Two of", 12), ("Three", 1), ("Four", 7)])
    ]
    requests = [client._request(each, 16) for each in asked]  # noqa: SLF001
    together: Arrays = {
        name: np.concatenate([each[name] for each in requests]) for name in requests[0]
    }
    dtypes = {"new_tokens": "int64", "standing": "int32"}

    outputs = client.transport.predict("generate_16", together, dtypes, seconds=SECONDS)

    for row, each in enumerate(asked):
        one = {name: array[row : row + 1] for name, array in outputs.items()}
        tokens, standing = client._read(one)  # noqa: SLF001
        assert [*tokens, {1: "stop", 2: "length"}[standing]] == steps.answer(each)


def test_what_it_does_not_take_is_refused(client: ModelServer, facts: Manifest) -> None:
    context = Parameters.model_validate(facts.parameters).context_length

    with pytest.raises(Refused, match="are accepted"):
        answer(client, Prompt([1] * (context + 1), Sampling(), 1, frozenset()))
    with pytest.raises(Refused, match="9 end tokens"):
        answer(client, Prompt([1], Sampling(), 1, frozenset(range(9))))


def test_it_says_which_versions_it_has(server: RunningServer, url: str, task: Task) -> None:
    other = ModelServer(server.as_settings(url), server.manifest(7))

    assert not other.is_ready(timeout_seconds=SECONDS)
    assert ModelServer(server.as_settings(url), server.manifest()).is_ready(timeout_seconds=SECONDS)
    with pytest.raises(Refused, match=r"Specific\(default, 7\)"):
        answer(other, prompt(task, "On"))


def test_faults_have_their_kinds_and_pass(
    server: RunningServer, client: ModelServer, task: Task
) -> None:
    asked = prompt(task, "On", 3)
    for fault, kinds in [
        ("error", (Failed,)),
        ("garbage", (Garbage,)),
        ("shapes", (Garbage,)),
        ("slow", (TimedOut,)),
    ]:
        server.fail(fault)
        try:
            with pytest.raises(kinds):
                list(client.generate(asked, timeout_seconds=0.5))
        finally:
            server.fail("")

    assert answer(client, asked)


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


@pytest.mark.parametrize("url", ["grpc://127.0.0.1:9", "http://127.0.0.1:9"])
def test_a_server_that_is_not_there_is_unreachable(
    server: RunningServer, task: Task, url: str
) -> None:
    client = ModelServer(server.as_settings(url), server.manifest())

    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        answer(client, prompt(task, "On"))
