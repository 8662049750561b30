# only: text-generation
"""What TorchServe runs: texts side by side, which join and leave at every token.

With continuous batching TorchServe's worker calls :func:`handle` again and again with the requests
that run. Each call gives every text its next token, or reads some of a new prompt. A request whose
reader has left is no longer among them.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from service import manifest as manifests
from service import runtime
from service.errors import CallerError
from service.generation import Rows
from service.logs import configure_logs
from service.metrics import Metrics
from service.model import Model
from service.owner import Parameters
from service.sampling import Sampling
from service.texts import Answer, Answers, Prompt
from service.threads import available_cpus

_A_DAY = 24 * 3600.0
"""Seconds after which callers give up; TorchServe has shorter limits of its own."""
NOTHING_YET = b"\n"


@dataclass
class _Text:
    """The text of one request."""

    answers: Answers
    has_begun: bool = False
    """A part of the answer was sent."""
    end: bytes | None = None
    """The last line, once there is one."""

    def take(self) -> tuple[bytes, bool]:
        """What is to be sent, and whether it is the last.

        TorchServe needs two parts at least: it sends no headers with a first part that is the last.
        """
        tokens = []
        while self.end is None:
            try:
                came = self.answers.take(0)
            except CallerError:
                self.end = _line(error="model_failed")
                break
            if came is None:
                break
            _, item = came
            if isinstance(item, str):
                self.end = _line(finish_reason=item)
            else:
                tokens.append(item)
        said = _line(tokens=tokens) if tokens else b""
        is_last = self.end is not None and self.has_begun
        self.has_begun = True
        if is_last:
            said += self.end or b""
        return said or NOTHING_YET, is_last


class Handler:
    """The model of one version, loaded from the folder of an archive.

    Args:
        folder: where TorchServe unpacked the archive.
        rows: most texts side by side.
        prefill_tokens: most tokens of new prompts that are read between two tokens of the others.
        context_tokens: most tokens of one text, where the model has no fewer.
    """

    def __init__(
        self, folder: Path, *, rows: int, prefill_tokens: int, context_tokens: int
    ) -> None:
        facts = manifests.read(folder)
        artefact = facts.artefacts[0]
        manifests.check_files(folder, facts, below=artefact.path)
        context = min(context_tokens, Parameters.model_validate(facts.parameters).context_length)
        graph = runtime.load_graph(folder, facts, artefact, available_cpus())
        self._model = Model(graph, facts.signature, rows, context)
        self._rows = Rows(self._model, Metrics(), most=rows, prefill_tokens=prefill_tokens)
        self._texts: dict[str, _Text] = {}
        self._waiting: list[_Text] = []

    def step(self, requests: Mapping[str, bytes | None]) -> list[tuple[bytes, bool]]:
        """Go on with all texts by one token.

        Args:
            requests: id of each that runs, with its body where it is new.

        Returns:
            For each a part of its answer, and whether it is the last.
        """
        for name in self._texts.keys() - requests.keys():
            self._texts.pop(name).answers.cancel()
        for name, body in requests.items():
            if name not in self._texts:
                self._texts[name] = self._begin(body or b"")
        self._rows.round(self._next_waiting)
        parts = [self._texts[name].take() for name in requests]
        for name, (_, is_last) in zip(requests, parts, strict=True):
            if is_last:
                del self._texts[name]
        return parts

    def _begin(self, body: bytes) -> _Text:
        try:
            prompt = self._prompt(_Request.model_validate_json(body))
        except ValueError as error:
            return _Text(Answers([], 0), end=_line(error=repr(error)))
        text = _Text(Answers([prompt], time.monotonic() + _A_DAY))
        self._waiting.append(text)
        return text

    def _prompt(self, said: "_Request") -> Prompt:
        """What is asked for; ``ValueError`` where the model would later end all texts on it."""
        prompt = Prompt(said.tokens, said.sampling, said.max_new_tokens, said.end_tokens)
        most = self._model.context_tokens
        if len(prompt.tokens) + prompt.max_new_tokens > most:
            raise ValueError(
                f"{len(prompt.tokens)} tokens and {prompt.max_new_tokens} more; 1 to {most} "
                "together are accepted"
            )
        if not all(0 <= token < self._model.vocabulary_size for token in prompt.tokens):
            raise ValueError("a token is not in the vocabulary")
        return prompt

    def _next_waiting(self) -> Answer | None:
        while self._waiting:
            (answer,) = self._waiting.pop(0).answers.each
            if not answer.given_up:
                return answer
        return None


class _Request(BaseModel):
    """The body of a request."""

    tokens: list[int] = Field(min_length=1)
    sampling: Sampling
    max_new_tokens: int = Field(ge=1)
    end_tokens: frozenset[int]


_handlers: dict[str, Handler] = {}


def handle(data: Sequence[dict[str, Any]] | None, context: Any) -> list[bytes] | None:
    """Go on with the texts of *data*; TorchServe's entry point, called with none to load the model.

    Args:
        data: for each request its ``body``, where it is new.
        context: TorchServe's; has the requests' ids, and takes who has come to an end.
    """
    folder = str(context.system_properties["model_dir"])
    if folder not in _handlers:
        configure_logs("warning", "json")  # TorchServe's worker tells of each request
        config = context.model_yaml_config
        _handlers[folder] = Handler(
            Path(folder),
            rows=int(config["batchSize"]),
            prefill_tokens=int(config["handler"]["prefillTokens"]),
            context_tokens=int(config["handler"]["maxContextTokens"]),
        )
    if data is None:
        return None
    bodies = {
        context.request_ids[number]: bytes(each["body"]) if "body" in each else None
        for number, each in enumerate(data)
    }
    parts = _handlers[folder].step(bodies)
    context.stopping_criteria = [_stopping(is_last) for _, is_last in parts]
    for number in range(len(parts)):
        context.set_response_content_type(number, "application/jsonl")
    return [said for said, _ in parts]


def _stopping(is_last: bool) -> Any:  # noqa: FBT001  # TorchServe calls what this gives
    return lambda _said: is_last


def _line(**said: Any) -> bytes:
    return json.dumps(said).encode() + b"\n"
# end
