"""API keys as OpenAI's client sends them, and tokens counted by key."""

import time
from collections.abc import Callable, Iterator
from hashlib import sha256

import openai
import pytest
import samples
from fake_version import write_fake_version
from openai import OpenAI
from processes import FAKE_SERVICE, Process, starting

KEYS = {"whole": "a-key-for-texts", "streamed": "a-key-for-streams"}
MOST = 60
MODEL = "default"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("keys")
    write_fake_version(folder / "default")
    lines = [
        f"{name} {sha256(key.encode()).hexdigest()} tokens_per_minute={MOST}"
        for name, key in KEYS.items()
    ]
    with starting(folder / "default", folder, FAKE_SERVICE) as start:
        process = start(API_KEYS=";".join(lines))
        process.wait_until_ready()
        yield process


def connect(running: Process, key: str) -> OpenAI:
    return OpenAI(base_url=f"http://127.0.0.1:{running.port}/v1", api_key=key, max_retries=0)


def test_a_key_that_is_not_known_is_an_authentication_error(running: Process) -> None:
    with (
        connect(running, "none") as client,
        pytest.raises(openai.AuthenticationError, match="API key is not known") as caught,
    ):
        client.models.list()

    assert caught.value.code == "unauthorized"


def whole(client: OpenAI) -> int:
    answer = client.completions.create(model=MODEL, prompt=samples.VALUE, max_tokens=50)
    assert answer.usage is not None
    return answer.usage.total_tokens


def streamed(client: OpenAI) -> int:
    chunks = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": samples.VALUE}],
        stream=True,
        stream_options={"include_usage": True},
    )
    return [chunk.usage.total_tokens for chunk in chunks if chunk.usage][-1]


@pytest.mark.parametrize(("name", "ask"), [("whole", whole), ("streamed", streamed)])
def test_tokens_are_counted_by_key(
    running: Process, name: str, ask: Callable[[OpenAI], int]
) -> None:
    started = time.monotonic()
    used: list[int] = []

    def ask_on(client: OpenAI) -> None:
        while sum(used) <= 10 * MOST:
            used.append(ask(client))

    with (
        connect(running, KEYS[name]) as client,
        pytest.raises(openai.RateLimitError, match="tokens per minute") as caught,
    ):
        ask_on(client)

    gained = 1 + MOST / 60 * (time.monotonic() - started)
    assert sum(used) >= MOST - 1  # no text is refused before
    assert sum(used[:-1]) < MOST + gained  # and none begun after
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= 60
    assert '"tokens";r=0' in caught.value.response.headers["ratelimit"]
