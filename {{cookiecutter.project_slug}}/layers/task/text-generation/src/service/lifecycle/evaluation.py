"""How well a generator foresees texts: figures, and golden steps. Knows nothing of texts."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from service import network
from service.lifecycle import engine
from service.lifecycle.examples import UNKNOWN, Dataset
from service.manifest import Arrays
from service.network import Network

METRIC = "exact_match"
"""The one that decides."""

BATCH_SIZE = 32
GOLDEN_PROMPT = 8
"""Tokens that a golden row has read before its step, where its text has so many."""
GOLDEN_STEP = 3
"""Tokens that it reads in the step."""


@dataclass(frozen=True)
class Report:
    """What the held-out examples say of a generator.

    Args:
        losses: ``(examples, T)`` negative log-likelihoods in nats; 0 where nothing was foreseen.
        hits: ``(examples, T)``: whether the most likely token was the right one.
        known: ``(examples, T)``: whether a token was to be foreseen.
        steps: golden inputs and outputs of single steps.
    """

    losses: npt.NDArray[np.float32]
    hits: npt.NDArray[np.bool_]
    known: npt.NDArray[np.bool_]
    steps: tuple[Arrays, Arrays]

    @property
    def metrics(self) -> dict[str, float]:
        """How often the model, always taking the most likely token, says exactly what it should.

        And how often a single token is right, and the perplexity: e to the mean loss of a token.
        """
        count = self.known.sum()
        return {
            "exact_match": float((self.hits | ~self.known).all(axis=1).mean()),
            "token_accuracy": float((self.hits & self.known).sum() / count),
            "perplexity": float(np.exp(self.losses.sum() / count)),
        }

    @property
    def details(self) -> str:
        """What the figures mean, in Markdown."""
        return (
            f"Of {len(self.known)} held-out texts {int(self.known.sum())} tokens were to be "
            "foreseen, each from what stands before it.\n\n"
            "Exact match: share of the texts in which the most likely token is right each time.\n"
            "Token accuracy: share of the tokens. Perplexity: 1 is certainty."
        )

    def golden(self, count: int) -> tuple[Arrays, Arrays]:
        """Inputs and outputs of one step that every artefact must reproduce, *count* at most."""
        inputs, outputs = self.steps
        return (
            {name: array[:count] for name, array in inputs.items()},
            {name: array[:count] for name, array in outputs.items()},
        )

    def draw(self, folder: Path) -> None:
        """No pictures."""


def judge(model: Network, examples: Dataset) -> Report:
    """Let *model* foresee the held-out examples, and run golden steps."""
    held_out = examples.held_out
    losses, hits = [], []
    for start in range(0, len(held_out), BATCH_SIZE):
        part = slice(start, start + BATCH_SIZE)
        inputs = {name: array[part] for name, array in held_out.inputs.items()}
        loss, hit = network.judge(model, inputs, held_out.targets[part])
        losses.append(loss)
        hits.append(hit)
    return Report(
        losses=np.concatenate(losses),
        hits=np.concatenate(hits),
        known=held_out.targets != UNKNOWN,
        steps=golden_steps(model, examples),
    )


def golden_steps(model: Network, examples: Dataset, rows: int = 6) -> tuple[Arrays, Arrays]:
    """Inputs and outputs of one step of rows that have read more and less before."""
    signature = examples.parameters.signature()
    tokens = examples.held_out.inputs["tokens"][:rows]
    read = min(GOLDEN_PROMPT, tokens.shape[1] - GOLDEN_STEP)
    past = examples.parameters.empty_past(len(tokens))
    beginnings = {
        "tokens": tokens[:, :read],
        "lengths": np.zeros(len(tokens), np.int64),
        "past": past,
    }
    present = engine.predict(model, signature, beginnings)["present"]
    lengths = np.arange(read, read - len(tokens), -1).clip(0)
    lengths[3:] = 0  # whole prompts, for whoever has but texts to compare
    inputs = {
        "tokens": tokens[:, read : read + GOLDEN_STEP],
        "lengths": lengths,
        "past": present,
    }
    return inputs, engine.predict(model, signature, inputs)
