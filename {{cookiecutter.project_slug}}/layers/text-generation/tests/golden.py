"""Golden arrays of a model version without a network."""

import numpy as np
import samples

from service.manifest import Arrays


def golden() -> tuple[Arrays, Arrays]:
    """One step that reads a whole prompt, and what the model that is no model answers."""
    tokens = samples.TOKENS.encode(samples.VALUE).ids
    inputs = {"tokens": np.array([tokens]), "lengths": np.zeros(1, np.int64)}
    return inputs, {"logits": np.stack([samples.logits(tokens)])}
