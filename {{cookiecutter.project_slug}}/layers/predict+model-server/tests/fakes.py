"""Stand-ins that come in through the same doors as the real things."""

import threading

import numpy as np
import samples

from service.errors import InputFailed, TimedOut
from service.manifest import Arrays, Manifest
from service.settings import Settings

SETTINGS_OF_THE_MODEL = ("MODEL_DIR", "MODEL_VERSION")
"""Each can name a model that is not there."""


class FakeModel:
    """Answers as the model server's client does; can be made slow, or to fail.

    The same constructor as ``service.model_server.ModelServer``, so that a class made by
    ``fake_model`` can be handed to the pipeline in its place.
    """

    gate: threading.Event
    """The server answers only while this is set."""
    entered: threading.Event
    """Set when the server has been asked."""
    batch_sizes: list[int]
    """Inputs of each call."""
    under_way: list[int]
    """For each call that waits at the gate, something."""
    fault: "list[Exception | Arrays | bool]"
    """While there is one, it is raised, answered, or said of the server's readiness."""

    def __init__(self, settings: Settings, manifest: Manifest) -> None:
        assert settings.model_server_url
        assert manifest.name == "default"
        self.is_closed = False

    def is_ready(self, *, timeout_seconds: float) -> bool:
        """Yes, but for a fault."""
        assert timeout_seconds > 0
        if self.fault and isinstance(self.fault[0], Exception):
            raise self.fault[0]
        return not (self.fault and self.fault[0] is False)

    def predict(self, batch: Arrays, *, timeout_seconds: float) -> Arrays:
        """Score each input of *batch*; fail if one of them is the poison."""
        self.entered.set()
        self.under_way.append(1)
        if not self.gate.wait(timeout_seconds):
            raise TimedOut("no answer")
        self.under_way.pop()
        if self.fault and isinstance(self.fault[0], Exception):
            raise self.fault[0]
        if self.fault and isinstance(self.fault[0], dict):
            return self.fault[0]
        rows = len(next(iter(batch.values())))
        self.batch_sizes.append(rows)
        inputs = [{key: array[row] for key, array in batch.items()} for row in range(rows)]
        if any(samples.is_poison(each) for each in inputs):
            raise InputFailed("poisoned")
        outputs = [samples.outputs(each) for each in inputs]
        return {key: np.stack([each[key] for each in outputs]) for key in outputs[0]}

    def close(self) -> None:
        """Remember it."""
        self.is_closed = True


def fake_model() -> type[FakeModel]:
    """A fresh class, so that tests do not share its gate."""
    gate = threading.Event()
    gate.set()
    own = {
        "gate": gate,
        "entered": threading.Event(),
        "batch_sizes": [],
        "under_way": [],
        "fault": [],
    }
    return type("OneFakeModel", (FakeModel,), own)
