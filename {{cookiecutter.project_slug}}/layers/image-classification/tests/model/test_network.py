"""The network reads what preprocessing makes, and scores every label."""

import numpy as np

from model import data, network
from service.lifecycle import engine


def test_the_network_scores_every_label_for_every_image() -> None:
    parameters = data.PARAMETERS
    images = np.zeros((2, parameters.height, parameters.width, parameters.channels), np.float32)

    model = network.build(parameters, label_count=3)
    outputs = engine.predict(model, parameters.signature(3), {"image": images})

    assert outputs["logits"].shape == (2, 3)
    assert np.isfinite(outputs["logits"]).all()
