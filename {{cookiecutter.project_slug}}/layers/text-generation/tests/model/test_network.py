"""The network reads tokens, and scores every token that may follow."""

import numpy as np

from model import data, network
from service.lifecycle import engine
from service.lifecycle.source import Source
from service.manifest import Arrays


def test_the_network_scores_every_token_for_every_row() -> None:
    parameters = data.load(Source()).parameters
    inputs: Arrays = {
        "tokens": np.ones((2, 5), np.int64),
        "lengths": np.zeros(2, np.int64),
        "past": parameters.empty_past(2),
    }

    model = network.build(parameters, 0)
    outputs = engine.predict(model, parameters.signature(), inputs)

    assert outputs["logits"].shape == (2, parameters.vocabulary_size)
    assert np.isfinite(outputs["logits"]).all()
