"""How the network is trained. Knows nothing of networks."""

from service.lifecycle.recipe import Recipe
from service.lifecycle.source import Source

FROM_SCRATCH = Recipe(epochs=20, batch_size=32, peak_learning_rate=4e-3, warm_up_share=0.25)


def choose(_source: Source) -> Recipe:
    """The recipe for what *source* starts from."""
    return FROM_SCRATCH
