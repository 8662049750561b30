"""Ask a generated repository's network, begun with a checkpoint, and compare with transformers.

``python probe_checkpoint.py CHECKPOINT...``, by the repository's Python, with ``src`` on its path;
reads ``asked.npz`` and ``answered.npz`` in each checkpoint's folder, and prints as JSON its name,
the largest difference of a logit, and how far the logits lie apart.
"""

import json
import sys
from pathlib import Path

import numpy as np
from model import network
from model.preprocess import NAME
from service.lifecycle import engine, start
from service.lifecycle.source import resolve

for folder in map(Path, sys.argv[1:]):
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
    print(json.dumps([folder.name, float(abs(said - answered).max()), float(np.ptp(answered))]))
