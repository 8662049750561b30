"""What TensorFlow Serving's client has to itself: the loop in the graph, and its errors."""

import numpy as np
import pytest
from model_servers import RunningServer
from server_asks import SECONDS, answer, prompt

from model.preprocess import Parameters, Task
from service import runtime
from service.errors import Failed, Garbage, Refused, TimedOut
from service.manifest import Arrays, Manifest
from service.model_server import ModelServer, signature_lengths
from service.sampling import Sampler, Sampling
from service.texts import FinishReason, Prompt

pytest_plugins = ["asked_server", "asked_model"]

HOW = [
    {},
    {"temperature": 1.0},
    {"temperature": 1.5, "top_k": 5},
    {"temperature": 0.8, "top_p": 0.9},
    {"temperature": 0.8, "top_p": 0.0},
    {"temperature": 1.2, "top_k": 50, "top_p": 0.7},
    {"repetition_penalty": 1.3},
    {"temperature": 1.0, "presence_penalty": 0.5, "frequency_penalty": 0.3},
]
"""Ways to choose tokens: each parameter counts in one."""


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


@pytest.fixture(scope="session")
def steps(server: RunningServer, facts: Manifest) -> Steps:
    return Steps(server, facts)


@pytest.mark.parametrize("how", HOW, ids=str)
def test_it_goes_on_as_a_service_that_runs_the_model_itself(
    client: ModelServer, steps: Steps, task: Task, how: dict[str, float]
) -> None:
    for seed, text in enumerate(["One", "Two of them", "Three " * 9]):
        asked = prompt(task, text, 6 + 5 * seed, seed, **how)

        assert answer(client, asked) == steps.answer(asked)


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
