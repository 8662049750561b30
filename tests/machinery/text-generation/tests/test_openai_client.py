"""The official ``openai`` client, unmodified, over a socket."""

import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import fakes
import httpx
import openai
import pytest
import samples
from asking import sample, wait_for
from conftest import MakeService, Service
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam
from serving import served, served_as_in_production

MODEL = "default"
MESSAGES: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": samples.VALUE},
]
ENDLESS: list[ChatCompletionMessageParam] = [{"role": "user", "content": samples.FOREVER}]


def connect(url: str, **options: Any) -> OpenAI:
    """The client of the service at *url*."""
    return OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, **options)


@pytest.fixture
def client(service: Service) -> Iterator[OpenAI]:
    """A client of a service that is ready."""
    with served(service.app) as url, connect(url) as client:
        yield client


def test_models_are_listed_and_found(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).object == "model"


def test_a_completion(client: OpenAI) -> None:
    completion = client.completions.create(
        model=MODEL, prompt=[samples.VALUE, samples.NOTHING], max_tokens=50, n=2, seed=1
    )

    assert completion.id.startswith("cmpl-")
    texts = [choice.text for choice in completion.choices]
    assert texts == [samples.ANSWER, samples.ANSWER, "", ""]
    assert completion.usage is not None
    assert completion.usage.completion_tokens == 2 * len(samples.ANSWER_TOKENS)


def test_a_chat_completion_and_the_next(client: OpenAI) -> None:
    first = client.chat.completions.create(
        model=MODEL, messages=MESSAGES, temperature=0.5, stop=["🏽"], extra_body={"top_k": 3}
    )
    answer = first.choices[0].message
    assert answer.content == samples.ANSWER.partition("🏽")[0]
    assert first.choices[0].finish_reason == "stop"

    second = client.chat.completions.create(
        model=MODEL,
        messages=[*MESSAGES, answer, {"role": "user", "content": [{"type": "text", "text": "?"}]}],  # type: ignore[list-item]  # which the client's own documentation does
        max_completion_tokens=2,
    )
    assert second.choices[0].message.content == samples.ANSWER[:2]
    assert second.choices[0].finish_reason == "length"


def test_a_streamed_completion(client: OpenAI) -> None:
    stream = client.completions.create(
        model=MODEL, prompt=samples.VALUE, max_tokens=50, stream=True
    )
    chunks = list(stream)

    assert "".join(chunk.choices[0].text for chunk in chunks) == samples.ANSWER
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_a_streamed_chat_completion_with_its_usage(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model=MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    *chunks, last = list(stream)

    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == samples.ANSWER
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert last.usage is not None
    assert last.usage.completion_tokens == len(samples.ANSWER_TOKENS)


def test_the_clients_own_way_to_gather_a_stream(client: OpenAI) -> None:
    with client.chat.completions.stream(model=MODEL, messages=MESSAGES) as stream:
        kinds = [event.type for event in stream]
        gathered = stream.get_final_completion()

    assert "content.delta" in kinds
    assert gathered.choices[0].message.content == samples.ANSWER


def test_a_stream_that_is_closed_early_frees_its_place(make_service: MakeService) -> None:
    service = make_service(load=fakes.slow_model())
    service.wait_until_ready()
    with (
        served(service.app) as url,
        connect(url) as client,
        client.chat.completions.create(model=MODEL, messages=ENDLESS, stream=True) as stream,
    ):
        next(stream)
        stream.close()

        wait_for(lambda: sample(service, "service_sequences_total", ending="cancelled") == 1)
        wait_for(lambda: sample(service, "service_running_sequences") == 0)
        wait_for(lambda: sample(service, "service_requests_in_flight") == 0)


def test_wrong_requests_raise_the_clients_exceptions(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="less than or equal to 2") as wrong:
        client.chat.completions.create(model=MODEL, messages=MESSAGES, temperature=3)
    assert wrong.value.param == "temperature"
    assert wrong.value.code == "invalid_input"
    assert wrong.value.type == "invalid_request_error"
    assert wrong.value.request_id

    with pytest.raises(openai.BadRequestError, match="not supported") as unsupported:
        client.chat.completions.create(
            model=MODEL, messages=MESSAGES, response_format={"type": "json_object"}
        )
    assert unsupported.value.param == "response_format"

    with pytest.raises(openai.NotFoundError, match="'default' is served") as missing:
        client.completions.create(model="gpt-4", prompt="Hi")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4")
    with pytest.raises(openai.BadRequestError):
        client.completions.create(model=MODEL, prompt="", stream=True)


def test_what_goes_wrong_here_raises_the_clients_exceptions(client: OpenAI) -> None:
    with pytest.raises(openai.InternalServerError, match="failed on this input") as failed:
        client.completions.create(model=MODEL, prompt=samples.POISON)
    assert failed.value.code == "model_failed"

    stream = client.completions.create(model=MODEL, prompt=samples.POISON, stream=True)
    with pytest.raises(openai.APIError, match="failed on this input") as in_stream:
        list(stream)
    assert in_stream.value.code == "model_failed"


def test_a_full_service_is_tried_again_and_raises_then(make_service: MakeService) -> None:
    service = make_service(**fakes.ONE_AT_A_TIME)
    service.wait_until_ready()
    with served(service.app) as url, connect(url) as client:
        with pytest.raises(openai.InternalServerError) as full:
            client.completions.create(model=MODEL, prompt="Hi", n=2)
        assert full.value.status_code == httpx.codes.SERVICE_UNAVAILABLE
        assert full.value.code == "queue_full"
        with pytest.raises(openai.InternalServerError):
            client.with_options(max_retries=1).completions.create(model=MODEL, prompt="Hi", n=2)

    labels = {"method": "POST", "route": "/v1/completions", "status": "503"}
    assert sample(service, "service_requests_total", **labels) == 3


def test_a_reader_that_leaves_is_noticed_by_the_server_that_production_has(tmp_path: Path) -> None:
    with served_as_in_production(tmp_path) as url, connect(url) as client:
        stream = client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == samples.ANSWER

        with client.chat.completions.create(
            model=MODEL, messages=ENDLESS, stream=True, max_tokens=400
        ) as stream:
            for _ in range(5):
                next(stream)
        wait_for(lambda: figure(url, 'service_sequences_total{ending="cancelled"}') == 1)

        assert figure(url, "service_running_sequences") == 0
        assert figure(url, 'service_sequences_total{ending="length"}') == 0


@pytest.mark.parametrize("stream", [True, False])
def test_a_caller_that_leaves_frees_its_place_at_once(tmp_path: Path, stream: bool) -> None:  # noqa: FBT001
    """Without a stream, too, and with no text to come."""
    body = {"model": MODEL, "messages": ENDLESS, "stream": stream, "max_tokens": 400}
    with served_as_in_production(tmp_path) as url:
        with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port)) as caller:
            sent = json.dumps(body).encode()
            head = (
                "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n\r\n"
            )
            caller.sendall(head.encode() + sent)
            wait_for(lambda: figure(url, "service_running_sequences") == 1)
        left = time.monotonic()
        wait_for(lambda: figure(url, "service_running_sequences") == 0)

        assert time.monotonic() - left < 1
        assert figure(url, 'service_sequences_total{ending="cancelled"}') == 1
        wait_for(lambda: figure(url, "service_requests_in_flight") == 1)  # that of the metrics


def figure(url: str, name: str) -> float:
    """The figure *name*, as Prometheus reads it."""
    text = httpx.get(f"{url}/metrics").text
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0
