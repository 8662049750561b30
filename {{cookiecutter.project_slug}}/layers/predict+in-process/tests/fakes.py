"""Stand-ins that come in through the same doors as the real things."""

import threading
from collections.abc import Sequence
from pathlib import Path

import samples

from service.manifest import Arrays, Manifest

ONE_AT_A_TIME = {"max_batch_size": 1, "max_queued_inputs": 1}
"""Settings with which one input runs and one waits."""

SETTINGS_OF_THE_MODEL = ("MODEL_DIR", "MODEL_VERSION", "MODEL_FORMAT")
"""Each can name a model that is not there."""


class FakeModel:
    """Answers from the input's own numbers; can be made slow, or to raise.

    The same arguments as ``service.pipeline.load_model``, so that a class made by ``fake_model``
    can be handed to the pipeline in its place.
    """

    gate: threading.Event
    """The model runs only while this is set."""
    entered: threading.Event
    """Set when the model has begun a run."""
    batch_sizes: list[int]

    def __init__(self, folder: Path, manifest: Manifest, *, format_name: str, threads: int) -> None:
        assert folder.is_dir()
        assert threads > 0
        assert manifest.artefact(format_name).path

    def __call__(self, inputs: Sequence[Arrays]) -> list[Arrays]:
        """Score each of *inputs*; raise if one of them is the poison."""
        self.entered.set()
        self.gate.wait(10)
        self.batch_sizes.append(len(inputs))
        if any(samples.is_poison(each) for each in inputs):
            raise RuntimeError("poisoned")
        return [samples.outputs(each) for each in inputs]


def fake_model() -> type[FakeModel]:
    """A fresh class, so that tests do not share its gate."""
    gate = threading.Event()
    gate.set()
    own = {"gate": gate, "entered": threading.Event(), "batch_sizes": []}
    return type("OneFakeModel", (FakeModel,), own)
