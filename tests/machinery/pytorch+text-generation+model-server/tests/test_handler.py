"""What TorchServe runs, called as its worker calls it."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import samples
import torch
from fake_version import write_fake_version
from processes import ROOT

from service import logs, runtime
from service.sampling import Sampling

ROWS = 3
PREFILL_TOKENS = 8
CONTEXT_TOKENS = 64
Text = list[int | str]


class FakeContext:
    """What a worker tells the handler, and hears from it."""

    def __init__(self, folder: Path) -> None:
        self.system_properties = {"model_dir": str(folder)}
        sizes = {"prefillTokens": PREFILL_TOKENS, "maxContextTokens": CONTEXT_TOKENS}
        self.model_yaml_config = {"batchSize": ROWS, "handler": sizes}
        self.request_ids: dict[int, str] = {}
        self.stopping_criteria: list[Any] = []

    def set_response_content_type(self, number: int, value: str) -> None:
        assert (number in self.request_ids, value) == (True, "application/jsonl")


def graph(
    tokens: torch.Tensor, lengths: torch.Tensor, past: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The fake model; what it keeps of a token is the token."""
    present = torch.zeros(*past.shape[:3], tokens.shape[1], *past.shape[4:])
    present[...] = tokens[:, None, None, :, None, None]
    known = past[:, 0, 0, :, 0, 0].to(torch.int64)
    read = [
        known[row, : lengths[row]].tolist() + tokens[row].tolist() for row in range(len(tokens))
    ]
    return torch.from_numpy(np.stack([samples.logits(each) for each in read])), present


class Worker:
    """Calls a handler of its own, step by step, with the requests that run."""

    def __init__(self, handle: Any, context: FakeContext) -> None:
        self._handle = handle
        self._context = context
        self._new: dict[str, bytes] = {}
        self.running: list[str] = []
        self.parts: dict[str, list[bytes]] = {}

    def begin(self, name: str, body: bytes) -> None:
        self.running.append(name)
        self._new[name] = body
        self.parts[name] = []

    def leave(self, name: str) -> None:
        self.running.remove(name)

    def step(self) -> None:
        names = list(self.running)
        self._context.request_ids = dict(enumerate(names))
        data = [{"body": self._new.pop(name)} if name in self._new else {} for name in names]
        for number, said in enumerate(self._handle(data, self._context)):
            self.parts[names[number]].append(said)
            if self._context.stopping_criteria[number](said):
                self.running.remove(names[number])

    def finish(self) -> None:
        for _ in range(200):
            if not self.running:
                return
            self.step()
        raise AssertionError(f"{self.running} have no end.")

    def text(self, name: str) -> Text:
        said = [json.loads(line) for line in b"".join(self.parts[name]).splitlines() if line]
        tokens = [token for each in said for token in each.get("tokens", [])]
        return [*tokens, said[-1].get("finish_reason") or f"error: {said[-1]['error']}"]


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    monkeypatch.setattr(runtime, "load_graph", lambda *_: graph)
    monkeypatch.setattr(logs, "configure_logs", lambda *_: None)
    spec = spec_from_file_location("handler", ROOT / "model_server" / "generate_handler.py")
    assert spec is not None
    assert spec.loader is not None
    handler = module_from_spec(spec)
    spec.loader.exec_module(handler)
    context = FakeContext(write_fake_version(tmp_path / "default"))
    assert handler.handle(None, context) is None
    return Worker(handler.handle, context)


def asked(text: str, most: int = 30, **other: Any) -> bytes:
    request = {
        "tokens": samples.TOKENS.encode(text).ids,
        "sampling": asdict(Sampling()),
        "max_new_tokens": most,
        "end_tokens": [samples.END_TOKEN],
    }
    return json.dumps({**request, **other}).encode()


def test_a_text_comes_token_by_token_and_then_the_reason(worker: Worker) -> None:
    worker.begin("a", asked("Say"))

    worker.finish()

    assert worker.text("a") == [*samples.ANSWER_TOKENS, "stop"]
    assert len(worker.parts["a"]) >= len(samples.ANSWER_TOKENS)


@pytest.mark.parametrize(("text", "most"), [("Say", 1), (samples.NOTHING, 5)])
def test_the_shortest_text_has_two_parts_as_torchserve_needs(
    worker: Worker, text: str, most: int
) -> None:
    worker.begin("a", asked(text, most))

    worker.finish()

    assert len(worker.parts["a"]) == 2
    assert all(worker.parts["a"])


def test_texts_that_join_and_leave_are_those_of_one_alone(worker: Worker) -> None:
    bodies = {str(i): asked("Say" + " it" * i, 2 + 3 * i) for i in range(8)}
    alone: dict[str, Sequence[int | str]] = {}
    for name, body in bodies.items():
        worker.begin(name, body)
        worker.finish()
        alone[name] = worker.text(name)

    waiting = list(bodies)
    while waiting or worker.running:
        if waiting and len(worker.running) < ROWS:
            worker.begin(waiting[0], bodies[waiting.pop(0)])
        worker.step()

    assert {name: worker.text(name) for name in bodies} == alone


@pytest.mark.parametrize("text", [samples.POISON, samples.NOT_A_NUMBER])
def test_a_text_on_which_the_model_fails_fails_alone(worker: Worker, text: str) -> None:
    worker.begin("good", asked("Say"))
    worker.step()
    worker.begin("bad", asked(text))

    worker.finish()

    assert worker.text("bad") == ["error: model_failed"]
    assert worker.text("good") == [*samples.ANSWER_TOKENS, "stop"]


BAD_BODIES = {
    "empty": b"",
    "noise": b"\xff",
    "a list": b"[]",
    "nothing in it": b"{}",
    "no tokens": asked("Say", tokens=[]),
    "not in the vocabulary": asked("Say", tokens=[10**6]),
    "negative": asked("Say", tokens=[-1]),
    "nothing asked": asked("Say", most=0),
    "too long": asked("Say", most=CONTEXT_TOKENS),
    "no temperature": asked("Say", sampling={"temperature": "hot"}),
    "no seed": asked("Say", sampling={"temperature": 1.0, "seed": "dice"}),
    "no count": asked("Say", sampling={"temperature": 1.0, "top_k": -1}),
    "no end": asked("Say", end_tokens="none"),
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_a_request_that_cannot_be_done_is_refused_alone(worker: Worker, body: bytes) -> None:
    worker.begin("good", asked("Say"))
    worker.begin("bad", body)

    worker.finish()

    (said,) = worker.text("bad")
    assert str(said).startswith("error: ")
    assert worker.text("good") == [*samples.ANSWER_TOKENS, "stop"]


def test_the_last_of_several_texts_may_have_a_seed_that_no_request_has(worker: Worker) -> None:
    worker.begin("last", asked("Say", sampling={"temperature": 1.0, "seed": 2**63}))

    worker.finish()

    assert worker.text("last")[-1] in {"stop", "length"}


def test_a_reader_that_leaves_frees_its_row(worker: Worker) -> None:
    for name in ("a", "b", "c"):
        worker.begin(name, asked(samples.FOREVER, 50))
    for _ in range(5):
        worker.step()
    worker.leave("a")
    worker.begin("d", asked("Say"))

    while "d" in worker.running:
        worker.step()

    assert worker.text("d") == [*samples.ANSWER_TOKENS, "stop"]
    assert worker.running == ["b", "c"]


def test_a_long_prompt_is_read_in_pieces_while_others_go_on(worker: Worker) -> None:
    worker.begin("running", asked(samples.FOREVER, 30))
    for _ in range(3):
        worker.step()
    before = worker.parts["running"][:]
    worker.begin("long", asked("Say " * 10, 3))
    while worker.parts["long"][-1:] in ([], [b"\n"]):
        worker.step()

    steps = len(worker.parts["long"])
    assert steps >= 3
    assert len(worker.parts["running"]) == len(before) + steps
    assert b"\n" not in worker.parts["running"][1:]  # a token in each step
