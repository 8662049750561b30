"""Stand-ins that come in through the same doors as the real things."""

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import samples

from service.manifest import Manifest

ONE_AT_A_TIME = {"max_running_sequences": 1, "max_queued_inputs": 1}
"""Settings with which one input runs and one waits."""

SETTINGS_OF_THE_MODEL = ("MODEL_DIR", "MODEL_VERSION", "MODEL_FORMAT")
"""Each can name a model that is not there."""


class FakeModel:
    """Answers from what it has read in each row; can be made slow, or to raise.

    Made as ``service.pipeline.load_model`` makes one, so that a class made by ``fake_model`` can be
    handed to the pipeline in its place.
    """

    gate: threading.Event
    """The model runs only while this is set."""
    entered: threading.Event
    """Set when the model has begun a step."""
    step_sizes: list[int]
    """Rows of each step."""

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        *,
        format_name: str,
        threads: int,
        rows: int,
        context_tokens: int,
    ) -> None:
        assert folder.is_dir()
        assert threads > 0
        assert manifest.artefact(format_name).path
        self.vocabulary_size = int(manifest.signature.outputs[0].shape[-1] or 0)
        self._context_tokens = context_tokens
        self._read: list[list[int]] = [[] for _ in range(rows)]

    def step(
        self, first_row: int, tokens: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Read *tokens*; raise if one of the rows has the poison."""
        self.entered.set()
        self.gate.wait(10)
        self.step_sizes.append(len(tokens))
        rows = range(first_row, first_row + len(tokens))
        for row, new, length in zip(rows, tokens.tolist(), lengths.tolist(), strict=True):
            read = self._read[row]
            assert length <= len(read), "The row has not read so much."
            read[length:] = new
            assert len(read) <= self._context_tokens
        return np.stack([samples.logits(self._read[row]) for row in rows])

    def move(self, source: int, target: int, length: int) -> None:
        """Let the row *target* have read what *source* has."""
        self._read[target] = self._read[source][:length]

    def forget(self, row: int) -> None:
        """Let *row* have read nothing."""
        self._read[row] = []


def fake_model() -> type[FakeModel]:
    """A fresh class, so that tests do not share its gate."""
    gate = threading.Event()
    gate.set()
    own = {"gate": gate, "entered": threading.Event(), "step_sizes": []}
    return type("OneFakeModel", (FakeModel,), own)


def slow_model() -> type[FakeModel]:
    """A class whose steps take some time, as a real model's do."""
    fast = fake_model()

    def step(self: FakeModel, *arguments: Any) -> npt.NDArray[np.float32]:
        time.sleep(0.02)
        return fast.step(self, *arguments)

    return type("SlowFakeModel", (fast,), {"step": step})
