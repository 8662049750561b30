"""How a network is trained: how long, in what batches, how fast. Knows nothing of networks."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """The numbers of one training.

    Args:
        epochs: rounds over the examples.
        batch_size: examples in one step.
        peak_learning_rate: the highest that a step has.
        warm_up_share: share of the steps in which the learning rate rises; in the others it falls.
        weight_decay: how much of each weight is taken away in a step, as a share of the rate.
        threads: that compute; all that may when ``None``. A small network is faster with one.
    """

    epochs: int
    batch_size: int
    peak_learning_rate: float
    warm_up_share: float
    weight_decay: float = 0.01
    threads: int | None = None

    def learning_rate(self, step: int, steps: int) -> float:
        """Rises in a line, then falls along half a cosine.

        Args:
            step: from 0.
            steps: how many there are.
        """
        warm_up = max(1, int(steps * self.warm_up_share))
        if step < warm_up:
            return self.peak_learning_rate * (step + 1) / warm_up
        progress = (step - warm_up) / (steps - warm_up)
        return self.peak_learning_rate * (1 + math.cos(math.pi * progress)) / 2
