"""Evaluates a generator: metrics, and golden steps."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from service.lifecycle import engine
from service.manifest import Arrays, Manifest
from service.numerics import rows
from service.owner import Network, Parameters, network
from service.runtime import Predict
from service.training import UNKNOWN, Dataset, Examples

METRIC = "exact_match"
"""The one that decides."""

BATCH_SIZE = 32
ROWS = 8
"""Side by side where a model is judged step by step, each with its keys and values."""
GOLDEN_ROWS = 6
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
        inputs: golden, of single steps.
        outputs: of the same steps.
    """

    losses: npt.NDArray[np.float32]
    hits: npt.NDArray[np.bool_]
    known: npt.NDArray[np.bool_]
    inputs: Arrays
    outputs: Arrays

    @property
    def metrics(self) -> dict[str, float]:
        """How often the model, always taking the most likely token, says exactly what it should.

        And how often a single token is right, and the perplexity: e to the mean loss of a token.
        """
        count = self.known.sum()
        if not count:
            return {}
        return {
            "exact_match": float((self.hits | ~self.known).all(axis=1).mean()),
            "token_accuracy": float((self.hits & self.known).sum() / count),
            "perplexity": float(np.exp(self.losses.sum() / count)),
        }

    @property
    def details(self) -> str:
        """What the metrics mean, in Markdown."""
        return (
            f"Of {len(self.known)} held-out texts {int(self.known.sum())} tokens were to be "
            "foreseen, each from what stands before it.\n\n"
            "Exact match: share of the texts in which the most likely token is right each time.\n"
            "Token accuracy: share of the tokens. Perplexity: 1 is certainty."
        )

    def draw(self, folder: Path) -> None:
        """No pictures."""


def judge(model: Network, examples: Dataset) -> Report:
    """Let *model* foresee the held-out examples, and run golden steps."""
    held_out = examples.held_out
    parts = [
        network.judge(model, rows(held_out.inputs, part), held_out.targets[part])
        for part in _parts(len(held_out), BATCH_SIZE)
    ]
    losses, hits = map(np.concatenate, zip(*parts, strict=True))
    return Report(losses, hits, held_out.targets != UNKNOWN, *golden_steps(model, examples))


def judge_version(predict: Predict, manifest: Manifest, examples: Examples) -> Report:
    """Let an exported model foresee *examples*, token by token, as it does when it writes."""
    parameters = Parameters.model_validate(manifest.parameters)
    tokens, targets = examples.inputs["tokens"], examples.targets
    parts = [
        foresee(predict, parameters, tokens[part], targets[part])
        for part in _parts(len(examples), ROWS)
    ]
    losses, hits = map(np.concatenate, zip(*parts, strict=True))
    return Report(losses, hits, targets != UNKNOWN, inputs={}, outputs={})


def _parts(length: int, size: int) -> list[slice]:
    return [slice(start, start + size) for start in range(0, length, size)]


def foresee(
    predict: Predict,
    parameters: Parameters,
    tokens: npt.NDArray[np.int64],
    targets: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """As ``network.judge``, step by step; the tokens before the first target are one step."""
    count, length = tokens.shape
    known = targets != UNKNOWN
    losses, hits = np.zeros(targets.shape, np.float32), np.zeros(targets.shape, np.bool_)
    past = np.repeat(parameters.empty_past(count), length, axis=3)
    read, end = 0, int(known.any(axis=0).argmax()) + 1
    while read < length and known[:, read:].any():
        found = predict(
            {
                "tokens": tokens[:, read:end],
                "lengths": np.full(count, read, np.int64),
                "past": past,
            }
        )
        past[:, :, :, read:end] = found["present"]
        last, logits = end - 1, found["logits"]
        right = np.where(known[:, last], targets[:, last], 0)
        highest = logits.max(axis=1)
        total = highest + np.log(np.exp(logits - highest[:, None]).sum(axis=1))
        losses[:, last] = np.where(known[:, last], total - logits[np.arange(count), right], 0)
        hits[:, last] = logits.argmax(axis=1) == targets[:, last]
        read, end = end, end + 1
    return losses, hits


def golden_steps(model: Network, examples: Dataset) -> tuple[Arrays, Arrays]:
    """Inputs and outputs of one step of rows that have read more and less before."""
    signature = examples.parameters.signature()
    tokens = examples.held_out.inputs["tokens"][:GOLDEN_ROWS]
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
