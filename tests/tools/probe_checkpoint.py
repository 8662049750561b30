"""A generated repository's network, begun with a checkpoint, compared with transformers.

Run where the repository's ``src`` is on the path; reads ``asked.npz`` and ``answered.npz`` in the
checkpoint's folder.
"""

from pathlib import Path

import numpy as np
from model import network
from model.preprocess import NAME
from service.lifecycle import engine, start
from service.lifecycle.source import resolve


def difference(folder: Path) -> tuple[float, float]:
    """The largest difference of a logit, and how far transformers' logits lie apart."""
    checkpoint = resolve(str(folder))
    tokens = np.load(folder / "asked.npz")["tokens"]
    if NAME == "text-generation":
        parameters = start.from_checkpoint(checkpoint).parameters
        signature = parameters.signature()
        inputs = {
            "tokens": tokens,
            "lengths": np.zeros(len(tokens), np.int64),
            "past": parameters.empty_past(len(tokens)),
        }
        model = network.from_checkpoint(folder, parameters)
    else:
        parameters = start.start(checkpoint, [], vocabulary_size=0, lowercase=False).parameters
        signature = parameters.signature(3)
        inputs = {"input_ids": tokens, "attention_mask": np.ones_like(tokens)}
        model = network.from_checkpoint(folder, parameters, 3)
    said = engine.predict(model, signature, inputs)["logits"]
    answered = np.load(folder / "answered.npz")["logits"]
    if said.ndim < answered.ndim:  # of the last token alone
        answered = answered[:, -1]
    assert said.shape == answered.shape, (said.shape, answered.shape)
    return float(abs(said - answered).max()), float(np.ptp(answered))
