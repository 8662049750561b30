"""The network reads what preprocessing makes, and scores every label."""

import numpy as np

from model import data, network
from service.lifecycle import engine
from service.lifecycle.source import Source


def test_the_network_scores_every_label_for_every_text() -> None:
    examples = data.load(Source())
    inputs = {name: array[:2] for name, array in examples.train.inputs.items()}
    signature = examples.parameters.signature(len(examples.labels))

    model = network.build(examples.parameters, len(examples.labels))
    (logits,) = engine.predict(model, signature, inputs).values()

    assert logits.shape[0] == 2
    assert logits.shape[-1] == len(examples.labels)
    assert np.isfinite(logits).all()
