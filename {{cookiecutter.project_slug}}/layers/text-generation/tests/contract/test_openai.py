"""The OpenAI API: what its clients send and read, from outside."""

import json
import re
import time
from typing import Any

import httpx
import pytest
import samples
from asking import assert_problem, sample, wait_for
from conftest import MakeService, Service
from fakes import ONE_AT_A_TIME, slow_model
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from streams import ask_for_stream, events_of, open_stream

COMPLETIONS = "/v1/completions"
CHAT = "/v1/chat/completions"
BODIES: dict[str, dict[str, Any]] = {
    COMPLETIONS: {"model": "default", "prompt": samples.VALUE, "max_tokens": 100},
    CHAT: {"model": "default", "messages": [{"role": "user", "content": samples.VALUE}]},
}
BOTH = pytest.mark.parametrize("path", [COMPLETIONS, CHAT])
JSON = {"Content-Type": "application/json"}
ANSWER_TOKENS = len(samples.ANSWER_TOKENS)


def post(service: Service, path: str, **fields: Any) -> httpx.Response:
    """The answer to the sample with other *fields*; they may be what no client would send."""
    content = json.dumps({**BODIES[path], **fields})
    return service.client.post(path, content=content, headers=JSON)


def answer_of(service: Service, path: str, **fields: Any) -> Any:
    """A good answer."""
    response = post(service, path, **fields)
    assert response.status_code == httpx.codes.OK, response.text
    return response.json()


def texts_of(answer: Any) -> list[str]:
    """The texts of an answer, by their indices."""
    choices = answer["choices"]
    assert [choice["index"] for choice in choices] == list(range(len(choices)))
    return [
        choice["text"] if "text" in choice else choice["message"]["content"] for choice in choices
    ]


def chunks_of(service: Service, path: str, **fields: Any) -> list[Any]:
    """The data of each event of a stream, without the last, which says that it is done."""
    events = ask_for_stream(service, path, {**BODIES[path], **fields})
    assert {kind for kind, _ in events} == {"message"}
    *chunks, done = [data for _, data in events]
    assert done == "[DONE]"
    return chunks


def assert_refused(
    response: httpx.Response, status: int, code: str, param: str | None, kind: str
) -> None:
    """Fail unless *response* is a problem, and has what the clients read."""
    assert_problem(response, status, code, param or "")
    assert response.json()["error"] == {
        "message": response.json()["detail"],
        "type": kind,
        "param": param,
        "code": code,
    }


def test_the_model_is_listed(service: Service) -> None:
    listed = service.client.get("/v1/models").json()
    one = service.client.get("/v1/models/default").json()

    assert listed == {"object": "list", "data": [one]}
    assert one["id"] == "default"
    assert one["object"] == "model"
    assert one["created"] == 1767225600  # 2026-01-01
    assert one["owned_by"]


def test_another_model_is_not_found(service: Service) -> None:
    for response in (
        service.client.get("/v1/models/gpt-4"),
        post(service, COMPLETIONS, model="gpt-4"),
        post(service, CHAT, model="gpt-4"),
    ):
        assert_refused(response, 404, "model_not_found", "model", "invalid_request_error")
        assert "'default' is served" in response.json()["detail"]


def test_a_prompt_is_completed(service: Service) -> None:
    answer = answer_of(service, COMPLETIONS)

    assert re.fullmatch("cmpl-[0-9a-f]{32}", answer.pop("id"))
    assert abs(answer.pop("created") - time.time()) < 60
    prompt_tokens = len(samples.VALUE)
    assert answer == {
        "object": "text_completion",
        "model": "default",
        "system_fingerprint": "default-1",
        "choices": [
            {"index": 0, "text": samples.ANSWER, "logprobs": None, "finish_reason": "stop"}
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": ANSWER_TOKENS,
            "total_tokens": prompt_tokens + ANSWER_TOKENS,
        },
    }


def test_a_conversation_is_gone_on_with(service: Service) -> None:
    answer = answer_of(service, CHAT)

    assert re.fullmatch("chatcmpl-[0-9a-f]{32}", answer.pop("id"))
    assert abs(answer.pop("created") - time.time()) < 60
    prompt_tokens = len(samples.VALUE) + 3  # two roles and the end of a line
    assert answer == {
        "object": "chat.completion",
        "model": "default",
        "system_fingerprint": "default-1",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": samples.ANSWER, "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": ANSWER_TOKENS,
            "total_tokens": prompt_tokens + ANSWER_TOKENS,
        },
    }


def test_a_completion_has_sixteen_tokens_unless_more_are_asked_for(service: Service) -> None:
    prompt = samples.FOREVER

    (choice,) = answer_of(service, COMPLETIONS, prompt=prompt, max_tokens=None)["choices"]
    assert (choice["text"], choice["finish_reason"]) == ("a" * 16, "length")
    assert texts_of(answer_of(service, COMPLETIONS, prompt=prompt, max_tokens=20)) == ["a" * 20]


def test_a_chat_completion_has_as_many_tokens_as_there_are(make_service: MakeService) -> None:
    service = make_service(max_new_tokens=30)
    service.wait_until_ready()
    messages = [{"role": "user", "content": samples.FOREVER}]

    for fields, count in (
        ({}, 30),
        ({"max_tokens": 7}, 7),
        ({"max_completion_tokens": 8}, 8),
        ({"max_tokens": None, "max_completion_tokens": None}, 30),
        ({"max_tokens": 31}, 30),  # as many as there is room for
        ({"max_completion_tokens": 10_000}, 30),
        ({"max_tokens": 31, "max_completion_tokens": 6}, 6),
    ):
        answer = answer_of(service, CHAT, messages=messages, **fields)
        assert texts_of(answer) == ["a" * count]
        assert answer["choices"][0]["finish_reason"] == "length"


VALUE_TOKENS = samples.TOKENS.encode(samples.VALUE).ids


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        (samples.VALUE, 1),
        (VALUE_TOKENS, 1),
        ([samples.VALUE], 1),
        ([VALUE_TOKENS], 1),
        ([samples.VALUE, samples.VALUE, samples.VALUE], 3),
        ([VALUE_TOKENS, VALUE_TOKENS], 2),
    ],
)
def test_prompts_may_be_texts_or_tokens_one_or_several(
    service: Service, prompt: object, texts: int
) -> None:
    answer = answer_of(service, COMPLETIONS, prompt=prompt)

    assert texts_of(answer) == [samples.ANSWER] * texts
    assert answer["usage"]["prompt_tokens"] == texts * len(VALUE_TOKENS)
    assert answer["usage"]["completion_tokens"] == texts * ANSWER_TOKENS


def test_several_texts_for_each_prompt_come_in_order(service: Service) -> None:
    other = f"{samples.DICE}{samples.FOREVER}"
    prompts = [samples.DICE, samples.NOTHING, other]
    dice = {"max_tokens": 20, "seed": 5}

    answer = answer_of(service, COMPLETIONS, prompt=prompts, n=2, **dice)

    texts = texts_of(answer)
    assert len(texts) == 6
    assert texts[0] != texts[1]  # the second has the next seed
    assert texts[2:4] == ["", ""]
    assert answer["usage"]["prompt_tokens"] == sum(map(len, prompts))  # each counts once
    assert answer["usage"]["completion_tokens"] == 80
    for seed, text in ((5, texts[0]), (6, texts[1])):
        alone = answer_of(service, COMPLETIONS, prompt=samples.DICE, max_tokens=20, seed=seed)
        assert texts_of(alone) == [text]


@BOTH
def test_more_texts_than_inputs_are_accepted_are_refused(
    make_service: MakeService, path: str
) -> None:
    service = make_service(max_inputs=4)
    service.wait_until_ready()

    assert len(texts_of(answer_of(service, path, n=4))) == 4
    refused = post(service, path, n=5)
    assert_refused(refused, 400, "invalid_input", "n", "invalid_request_error")
    if path == COMPLETIONS:
        refused = post(service, path, prompt=["a", "b", "c"], n=2)
        assert_refused(refused, 400, "invalid_input", "n", "invalid_request_error")
        refused = post(service, path, prompt=["a"] * 5)
        assert_refused(refused, 400, "invalid_input", "prompt", "invalid_request_error")


def test_an_answer_can_be_put_into_the_next_question_as_it_is(service: Service) -> None:
    (choice,) = answer_of(service, CHAT)["choices"]
    message = {**choice["message"], "tool_calls": None, "annotations": [], "audio": None}

    answer_of(service, CHAT, messages=[*BODIES[CHAT]["messages"], message])


@BOTH
def test_the_temperature_is_one_unless_another_is_asked_for(service: Service, path: str) -> None:
    dice: dict[str, Any] = (
        {"prompt": samples.DICE, "max_tokens": 30}
        if path == COMPLETIONS
        else {"messages": [{"role": "user", "content": samples.DICE}], "max_tokens": 30}
    )

    assert texts_of(answer_of(service, path, **dice, temperature=0)) == ["0" * 30]
    assert texts_of(answer_of(service, path, **dice, top_k=1)) == ["0" * 30]
    assert texts_of(answer_of(service, path, **dice, top_p=0.05)) == ["0" * 30]
    assert len(set(texts_of(answer_of(service, path, **dice))[0])) > 5
    ranked = {"temperature": 0, "max_tokens": 10}
    for name, value in (
        ("repetition_penalty", 1.5),
        ("presence_penalty", 2),
        ("frequency_penalty", 0.1),
    ):
        answer = answer_of(service, path, **{**dice, **ranked, name: value})
        assert texts_of(answer) == ["0123456789"]


@BOTH
def test_a_stop_string_ends_a_text(service: Service, path: str) -> None:
    answer = answer_of(service, path, stop=["ß", "👋"])

    assert texts_of(answer) == [" Grü"]
    assert answer["choices"][0]["finish_reason"] == "stop"


def test_a_completion_can_be_streamed(service: Service) -> None:
    *first, last = chunks_of(service, COMPLETIONS)

    assert [chunk["choices"][0]["text"] for chunk in first] == list(samples.ANSWER)
    assert last["choices"] == [{"index": 0, "text": "", "logprobs": None, "finish_reason": "stop"}]
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in first)
    assert len({chunk["id"] for chunk in (*first, last)}) == 1
    assert last["object"] == "text_completion"
    assert "usage" not in last


def test_a_chat_completion_can_be_streamed(service: Service) -> None:
    opening, *first, last = chunks_of(service, CHAT)

    assert opening["object"] == "chat.completion.chunk"
    assert opening["choices"] == [
        {
            "index": 0,
            "delta": {"role": "assistant", "content": ""},
            "logprobs": None,
            "finish_reason": None,
        }
    ]
    assert [chunk["choices"][0]["delta"] for chunk in first] == [
        {"content": character} for character in samples.ANSWER
    ]
    assert last["choices"][0]["finish_reason"] == "stop"
    assert len({chunk["id"] for chunk in (opening, *first, last)}) == 1
    assert "usage" not in last


@BOTH
def test_several_texts_can_be_streamed_side_by_side(service: Service, path: str) -> None:
    texts = ["", "", ""]
    ended = []
    for chunk in chunks_of(service, path, n=3):
        (choice,) = chunk["choices"]
        texts[choice["index"]] += choice.get("text") or choice.get("delta", {}).get("content", "")
        if choice["finish_reason"]:
            ended.append(choice["index"])

    assert texts == [samples.ANSWER] * 3
    assert sorted(ended) == [0, 1, 2]


@BOTH
def test_a_stream_has_its_usage_at_the_end_where_it_is_asked_for(
    service: Service, path: str
) -> None:
    *chunks, last = chunks_of(service, path, n=2, stream_options={"include_usage": True})

    assert last["choices"] == []
    assert last["usage"] == answer_of(service, path, n=2)["usage"]
    assert all(chunk["usage"] is None for chunk in chunks)


@BOTH
@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}, {"include_usage": None}])
def test_a_stream_has_no_usage_otherwise(service: Service, path: str, options: object) -> None:
    chunks = chunks_of(service, path, stream_options=options)

    assert not any("usage" in chunk for chunk in chunks)


@BOTH
def test_a_reader_that_leaves_frees_all_its_places(make_service: MakeService, path: str) -> None:
    service = make_service(load=slow_model())
    service.wait_until_ready()
    endless: dict[str, Any] = (
        {"prompt": samples.FOREVER, "max_tokens": 400}
        if path == COMPLETIONS
        else {"messages": [{"role": "user", "content": samples.FOREVER}]}
    )
    stream = open_stream(service, path, {**BODIES[path], **endless, "n": 3})
    while sample(service, "service_running_sequences") < 3:
        next(stream.chunks)
    stream.close()

    wait_for(lambda: sample(service, "service_running_sequences") == 0)
    assert sample(service, "service_sequences_total", ending="cancelled") == 3
    assert sample(service, "service_requests_in_flight") == 0


@BOTH
def test_an_error_in_a_stream_has_what_the_clients_read(service: Service, path: str) -> None:
    poison: dict[str, Any] = (
        {"prompt": samples.POISON}
        if path == COMPLETIONS
        else {"messages": [{"role": "user", "content": samples.POISON}]}
    )
    kind, problem = events_of(open_stream(service, path, {**BODIES[path], **poison}).chunks)[-1]

    assert kind == "error"
    assert problem["code"] == "model_failed"
    assert problem["error"]["type"] == "server_error"
    assert problem["error"]["message"] == problem["detail"]


@BOTH
def test_errors_have_what_the_clients_read(make_service: MakeService, path: str) -> None:
    service = make_service(**ONE_AT_A_TIME)
    service.wait_until_ready()

    for response, status, code, param, kind in (
        (post(service, path, top_p=2), 400, "invalid_input", "top_p", "invalid_request_error"),
        (post(service, path, n=2), 503, "queue_full", None, "server_error"),
        (service.client.get(path), 405, "method_not_allowed", None, "invalid_request_error"),
        (service.client.get(f"{path}/x"), 404, "not_found", None, "invalid_request_error"),
        (
            service.client.post(path, content=b"{", headers=JSON),
            400,
            "malformed_body",
            None,
            "invalid_request_error",
        ),
        (
            service.client.post(path, content=b"x"),
            415,
            "unsupported_media_type",
            None,
            "invalid_request_error",
        ),
    ):
        assert_refused(response, status, code, param, kind)
    assert "error" not in service.client.get("/nothing").json()


NEUTRAL: dict[str, dict[str, list[object]]] = {
    COMPLETIONS: {
        "best_of": [None, 1],
        "colour": ["red"],
        "ignore_eos": [False],
        "min_p": [0.1],
        "echo": [None, False],
        "logit_bias": [None, {}],
        "logprobs": [None, False],
        "max_tokens": [10_000],
        "suffix": [None, ""],
        "user": [None, "me"],
        "stream": [None, False],
        "n": [None, 1],
        "temperature": [None, 0],
        "top_p": [None, 1, 0],
        "top_k": [None, 0],
        "repetition_penalty": [None, 1],
        "presence_penalty": [None, 0],
        "frequency_penalty": [None, 0],
        "seed": [None, 0, -1],
        "stop": [None, [], "x"],
    },
    CHAT: {
        "audio": [None],
        "chat_template_kwargs": [{"enable_thinking": False}],
        "function_call": [None, "none"],
        "functions": [None, []],
        "logit_bias": [None, {}],
        "logprobs": [None, False],
        "metadata": [None, {}, {"a": "b"}],
        "modalities": [None, ["text"]],
        "parallel_tool_calls": [None, False, True],
        "prediction": [None],
        "prompt_cache_key": [None, "k"],
        "reasoning_effort": [None, "none", "low"],
        "response_format": [None, {"type": "text"}],
        "safety_identifier": [None, "me"],
        "service_tier": [None, "auto", "default", "flex"],
        "store": [None, False, True],
        "stream_options": [None, {}, {"include_usage": True}],
        "tool_choice": [None, "none", "auto"],
        "tools": [None, []],
        "top_logprobs": [None, 0],
        "user": [None, "me"],
        "verbosity": [None, "medium", "low"],
        "web_search_options": [None],
    },
}
REFUSED: dict[str, dict[str, list[object]]] = {
    COMPLETIONS: {
        "best_of": [2, True, 1.0],
        "echo": [True, 0],
        "logit_bias": [{"50256": -100}],
        "logprobs": [0, 1],
        "suffix": ["x"],
        "prompt": [
            *("", " ", "a\0", "\ud800", None, 1, True, {}, [], [[]], [[1], []], [1.5]),
            *(["a", 1], [1, "a"], [[1], "a"], [[[1]]], [True], [-1], [10_000], [2**70]),
        ],
        "max_tokens": [0, -1, 1.5, "1", True],
        "n": [0, -1, 33, 1.0, "1"],
        "model": [None, 1],
        "stream_options": [1],
        "top_p": [-0.1, 1.5],
        "temperature": [-1, 2.5],
        "seed": [-(2**63) - 1, 2**63],
        "stop": [["x"] * 17, [""]],
    },
    CHAT: {
        "audio": [{"voice": "alloy", "format": "wav"}],
        "function_call": ["auto", {"name": "f"}],
        "functions": [[{"name": "f"}]],
        "logit_bias": [{"1": 1}],
        "logprobs": [True, 0],
        "modalities": [["audio"], "text"],
        "prediction": [{"type": "content", "content": "x"}],
        "response_format": [{"type": "json_object"}, "text"],
        "tool_choice": ["required", {"type": "function", "function": {"name": "f"}}],
        "tools": [[{"type": "function", "function": {"name": "f"}}]],
        "top_logprobs": [1, False],
        "web_search_options": [{}],
        "max_completion_tokens": [0, "1"],
        "messages": [None, [], {}, "Hi", [[{"role": "user", "content": "Hi"}]][:0]],
    },
}


def cases(table: dict[str, dict[str, list[object]]]) -> list[Any]:
    """Path, field and value, with readable names."""
    return [
        pytest.param(path, field, value, id=f"{path}-{field}-{ascii(value)[:20]}")
        for path, fields in table.items()
        for field, values in fields.items()
        for value in values
    ]


@pytest.mark.parametrize(("path", "field", "value"), cases(NEUTRAL))
def test_a_value_that_changes_nothing_is_accepted(
    service: Service, path: str, field: str, value: object
) -> None:
    assert texts_of(answer_of(service, path, **{field: value})) == [samples.ANSWER]


@pytest.mark.parametrize(("path", "field", "value"), cases(REFUSED))
def test_what_cannot_be_honoured_or_read_is_refused_by_name(
    service: Service, path: str, field: str, value: object
) -> None:
    response = post(service, path, **{field: value})

    assert_problem(response, 400, "invalid_input")
    named = [each["field"] for each in response.json()["errors"]]
    assert any(name == field or name.startswith((f"{field}[", f"{field}.")) for name in named)
    assert response.json()["error"]["param"] == named[0]


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({}, "messages[0].role"),
        ("Hi", "messages[0]"),
        ({"role": "robot", "content": "x"}, "messages[0].role"),
        ({"role": "user"}, "messages[0].content"),
        ({"role": "user", "content": 1}, "messages[0].content"),
        ({"role": "user", "content": ["Hi"]}, "messages[0].content[0]"),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]},
            "messages[0].content[0].type",
        ),
        ({"role": "user", "content": [{"type": "text"}]}, "messages[0].content[0].text"),
        (
            {"role": "assistant", "content": "x", "tool_calls": [{"id": "1"}]},
            "messages[0].tool_calls",
        ),
        ({"role": "user", "content": "a\0b"}, "messages"),
        ({"role": "user", "content": "\ud800"}, "messages"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_wrong_message_is_refused_where_it_is_wrong(
    service: Service, message: object, field: str
) -> None:
    refused = post(service, CHAT, messages=[message])
    assert_refused(refused, 400, "invalid_input", field, "invalid_request_error")


def test_a_wrong_prompt_among_others_is_named(service: Service) -> None:
    refused = post(service, COMPLETIONS, prompt=["good", ""])
    assert_refused(refused, 400, "invalid_input", "prompt[1]", "invalid_request_error")
    refused = post(service, COMPLETIONS, prompt=[[1], [999_999]])
    assert_refused(refused, 400, "invalid_input", "prompt[1]", "invalid_request_error")


@BOTH
def test_a_prompt_that_is_too_long_has_the_code_that_agents_look_for(
    make_service: MakeService, path: str
) -> None:
    service = make_service(max_context_tokens=50, max_text_characters=100)
    service.wait_until_ready()

    for text in ("x" * 60, "x" * 101, "x" * 1_000_000):
        field = "prompt" if path == COMPLETIONS else "messages"
        long = text if path == COMPLETIONS else [{"role": "user", "content": text}]
        refused = post(service, path, **{field: long})
        code = "context_length_exceeded"
        assert_refused(refused, 400, code, field, "invalid_request_error")
        assert "at most" in refused.json()["detail"]


def test_nobody_elses_words_and_tools_that_are_not_used_are_read(service: Service) -> None:
    asked = BODIES[CHAT]["messages"]
    nothing: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": []}
    found = {"role": "tool", "content": "18 degrees", "tool_call_id": "1"}
    tool = {"type": "function", "function": {"name": "f"}}

    for messages in ([nothing, *asked], [found, *asked]):
        answer = answer_of(service, CHAT, messages=messages, tools=[tool], tool_choice="none")
        assert texts_of(answer) == [samples.ANSWER]


@BOTH
def test_a_negative_seed_is_a_seed(service: Service, path: str) -> None:
    dice: dict[str, Any] = (
        {"prompt": samples.DICE}
        if path == COMPLETIONS
        else {"messages": [{"role": "user", "content": samples.DICE}]}
    )
    texts = [
        texts_of(answer_of(service, path, **dice, max_tokens=30, seed=seed))
        for seed in (-1, -1, 1, -(2**63), 2**63 - 1)
    ]

    assert texts[0] == texts[1]
    assert len({text for (text,) in texts}) == 4


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "type", "text", "x"]), inner)
    ),
    max_leaves=8,
)


@given(
    path=st.sampled_from([COMPLETIONS, CHAT]),
    fields=st.dictionaries(
        st.sampled_from(sorted({*REFUSED[COMPLETIONS], *REFUSED[CHAT], *NEUTRAL[COMPLETIONS]})),
        ANYTHING,
        max_size=4,
    ),
)
@hypothesis_settings(
    deadline=None,
    derandomize=True,
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_body_makes_a_500(service: Service, path: str, fields: dict[str, object]) -> None:
    response = post(service, path, **{"max_tokens": 2, **fields})

    assert response.status_code < httpx.codes.INTERNAL_SERVER_ERROR, response.text
    assert "event: error" not in response.text


@BOTH
def test_answers_are_as_described(service: Service, path: str) -> None:
    document = service.client.get("/openapi.json").json()
    operation = document["paths"][path]["post"]

    def validator(schema: dict[str, Any]) -> Draft202012Validator:
        return Draft202012Validator({**schema, "components": document["components"]})

    good = operation["responses"]["200"]["content"]
    validator(good["application/json"]["schema"]).validate(answer_of(service, path, n=2))
    for chunk in chunks_of(service, path, stream_options={"include_usage": True}):
        validator(good["text/event-stream"]["schema"]).validate(chunk)
    for status, refused in (
        ("400", post(service, path, n=0)),
        ("404", post(service, path, model="x")),
    ):
        bad = operation["responses"][status]["content"]["application/problem+json"]["schema"]
        validator(bad).validate(refused.json())
    request = validator(operation["requestBody"]["content"]["application/json"]["schema"])
    request.validate(BODIES[path])
    for field, values in NEUTRAL[path].items():
        for value in values:
            request.validate({**BODIES[path], field: value})
    assert not request.is_valid({**BODIES[path], "logit_bias": {"1": 1}})
