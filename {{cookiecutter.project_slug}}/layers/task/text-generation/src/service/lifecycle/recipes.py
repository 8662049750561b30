"""How the network is trained. Knows nothing of networks."""

from service.lifecycle.recipe import Recipe
from service.lifecycle.source import Source

FROM_SCRATCH = Recipe(
    epochs=2,
    batch_size=16,
    peak_learning_rate=3e-3,
    warm_up_share=0.1,
    weight_decay=0.3,
    threads=1,
)
FINE_TUNING = Recipe(epochs=3, batch_size=16, peak_learning_rate=5e-5, warm_up_share=0.1)


def choose(source: Source) -> Recipe:
    """The recipe for what *source* starts from."""
    return FINE_TUNING if source.base_model else FROM_SCRATCH
