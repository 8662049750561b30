"""Streams and conversations, where a test has to reach into the service."""

import json
from typing import Any

import pytest
import samples
from asking import assert_problem, sample, wait_for
from conftest import MakeService, Service
from fakes import slow_model
from streams import ask_for_stream, events_of, open_stream

from service import texts

CHAT = "/v1/chat/completions"


def text_of(service: Service, **fields: Any) -> str:
    """The text that follows."""
    response = service.client.post(samples.ROUTE, json={**samples.BODY, **fields})
    assert response.is_success, response.text
    text: str = response.json()["generated_text"]
    return text


def test_what_some_clients_take_for_the_end_of_a_line_is_escaped(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts.Detokenizer, "push", lambda *_: "\u2028\x85\n")

    with service.client.stream("POST", samples.ROUTE, json={**samples.BODY, "stream": True}) as got:
        lines = [line for line in got.iter_lines() if line]

    assert json.loads(lines[0].removeprefix("data: "))["text"] == "\u2028\x85\n"


def test_a_reader_is_told_that_the_stream_is_alive_when_nothing_comes(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts, "PATIENCE_SECONDS", 0.02)
    service.model.gate.clear()
    stream = open_stream(service, samples.ROUTE, samples.BODY)

    assert next(stream.chunks) == b": keep-alive\n\n"
    service.model.gate.set()
    assert events_of(stream.chunks)[-1][1]["finish_reason"] == "stop"


def test_a_reader_is_told_so_too_when_all_that_comes_is_held_back(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts, "PATIENCE_SECONDS", 0.0)
    body = {"text": samples.FOREVER, "stop": "a" * 200 + "b", "max_new_tokens": 100}

    events = ask_for_stream(service, samples.ROUTE, body)

    assert ("comment", "keep-alive") in events
    assert events[-1][1]["text"] == "a" * 100


def test_a_fault_of_ours_in_a_stream_tells_nothing_of_our_insides(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object, token: int) -> str:
        if token == samples.ANSWER_TOKENS[1]:
            raise RuntimeError("secret")
        return "x"

    monkeypatch.setattr(texts.Detokenizer, "push", fail)

    (_, first), (kind, problem) = ask_for_stream(service, samples.ROUTE, samples.BODY)

    assert first["text"] == "x"
    assert (kind, problem["code"]) == ("error", "unexpected")
    assert "secret" not in json.dumps(problem)
    wait_for(lambda: sample(service, "service_running_sequences") == 0)


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([{"role": "user", "content": "Hi"}], "<|user|>Hi\n<|assistant|>"),
        (
            [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": "{{ Hi }}"},
                {"role": "assistant", "content": ""},
                {"role": "user", "content": "Again", "name": "Ann"},
            ],
            "<|system|>Be kind.\n<|user|>{{ Hi }}\n<|assistant|>\n<|user|>Again\n<|assistant|>",
        ),
        (
            [{"role": "developer", "content": [{"type": "text", "text": "a"}]}],
            "<|system|>a\n<|assistant|>",
        ),
        (
            [{"role": "user", "content": [{"type": "text", "text": text} for text in "ab"]}],
            "<|user|>a\nb\n<|assistant|>",
        ),
    ],
)
def test_a_conversation_becomes_a_text_by_the_models_own_template(
    service: Service, messages: list[Any], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    generate = service.pipeline.generate

    def spy(generations: list[Any], **options: Any) -> Any:
        seen.extend(generation.tokens for generation in generations)
        return generate(generations, **options)

    monkeypatch.setattr(service.pipeline, "generate", spy)
    answer = service.client.post(CHAT, json={"model": "default", "messages": messages})
    assert answer.is_success, answer.text

    assert [samples.TOKENS.decode(tokens, skip_special_tokens=False) for tokens in seen] == [text]


def test_a_model_without_a_template_does_not_converse(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.pipeline.task, "_template", None)

    body = {"model": "default", "messages": [{"role": "user", "content": samples.VALUE}]}
    response = service.client.post(CHAT, json=body)

    assert_problem(response, 400, "invalid_input", "messages")
    assert "no chat template" in response.json()["detail"]


def test_a_text_that_a_stop_string_ends_frees_its_place(make_service: MakeService) -> None:
    service = make_service(load=slow_model())  # a fast one is at its end before anybody has read
    service.wait_until_ready()
    assert text_of(service, text=samples.FOREVER, stop="aaa", max_new_tokens=400) == ""
    wait_for(lambda: sample(service, "service_running_sequences") == 0)

    assert sample(service, "service_sequences_total", ending="stop") == 1
    assert sample(service, "service_generated_tokens_total") < 400
    assert sample(service, "service_shed_inputs_total", reason="cancelled") == 0


def test_many_readers_get_their_own_texts(service: Service) -> None:
    streams = [
        open_stream(
            service,
            samples.ROUTE,
            {"text": samples.DICE, "max_new_tokens": 10 + i, "temperature": 1, "seed": i},
        )
        for i in range(12)
    ]
    found = ["".join(data["text"] for _, data in events_of(stream.chunks)) for stream in streams]

    assert found == [
        text_of(service, text=samples.DICE, max_new_tokens=10 + i, temperature=1, seed=i)
        for i in range(12)
    ]
    assert max(service.model.step_sizes) > 1
