"""Stand-ins that come in through the same doors as the real things."""

import threading
import time
from collections.abc import Callable, Generator

import samples

from service.errors import InputFailed, ModelFailed, TimedOut
from service.manifest import Manifest
from service.sampling import Sampler
from service.settings import Settings
from service.texts import FinishReason, Prompt

ONE_AT_A_TIME = {"max_running_sequences": 1}
"""Settings with which one text is generated, and no other."""

SETTINGS_OF_THE_MODEL = ("MODEL_DIR", "MODEL_VERSION")
"""Each can name a model that is not there."""


class FakeModel:
    """Answers as the model server's client does; can be made slow, or to fail.

    The same constructor as ``service.model_server.ModelServer``, so that a class made by
    ``fake_model`` can be handed to the pipeline in its place.
    """

    gate: threading.Event
    """Tokens come only while this is set."""
    entered: threading.Event
    """Set when the server has been asked."""
    step_sizes: list[int]
    """Texts in flight at each token."""
    fault: "list[Exception | bool]"
    """While there is one, it is raised, or said of the server's readiness."""
    seconds_per_token = 0.0

    def __init__(self, settings: Settings, manifest: Manifest) -> None:
        assert settings.model_server_url
        assert manifest.name == "default"
        self._running = 0
        self.is_closed = False

    def is_ready(self, *, timeout_seconds: float) -> bool:
        """Yes, but for a fault."""
        assert timeout_seconds > 0
        if self.fault and isinstance(self.fault[0], Exception):
            raise self.fault[0]
        return not (self.fault and self.fault[0] is False)

    def generate(
        self,
        prompt: Prompt,
        *,
        timeout_seconds: float,
        has_left: Callable[[], bool] | None = None,
    ) -> "Generator[int | FinishReason]":
        """The tokens that follow *prompt*; fails if it has the poison."""
        end = time.monotonic() + timeout_seconds
        read = list(prompt.tokens)
        sampler = Sampler(prompt.sampling, read, samples.TOKENS.get_vocab_size())
        self._running += 1
        try:
            for _ in range(prompt.max_new_tokens):
                self.entered.set()
                while not self.gate.wait(0.02):
                    if has_left and has_left():
                        return
                    if time.monotonic() > end:
                        raise TimedOut("no answer")
                token = self._next(sampler, read)
                if token in prompt.end_tokens:
                    yield "stop"
                    return
                read.append(token)
                yield token
            yield "length"
        finally:
            self._running -= 1

    def close(self) -> None:
        """Remember it."""
        self.is_closed = True

    def _next(self, sampler: Sampler, read: list[int]) -> int:
        if self.fault and isinstance(self.fault[0], Exception):
            raise self.fault[0]
        time.sleep(self.seconds_per_token)
        self.step_sizes.append(self._running)
        try:
            return sampler.choose(samples.logits(read))
        except (RuntimeError, ModelFailed) as error:
            raise InputFailed("poisoned") from error


def fake_model() -> type[FakeModel]:
    """A fresh class, so that tests do not share its gate."""
    gate = threading.Event()
    gate.set()
    own = {"gate": gate, "entered": threading.Event(), "step_sizes": [], "fault": []}
    return type("OneFakeModel", (FakeModel,), own)


def slow_model() -> type[FakeModel]:
    """A class whose tokens take some time, as a real model's do."""
    return type("SlowFakeModel", (fake_model(),), {"seconds_per_token": 0.02})
