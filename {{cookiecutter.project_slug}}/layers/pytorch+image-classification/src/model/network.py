"""Your network: its architecture is :class:`Network`, how it learns is :func:`train`."""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from model.preprocess import Parameters
from service.framework import DEVICE
from service.manifest import Arrays
from service.training import Recipe


class Network(nn.Module):
    """Convolutions, the mean over all places, one linear layer.

    Args:
        parameters: size and channels of the images.
        label_count: length of the output.
    """

    def __init__(self, parameters: Parameters, label_count: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels: int = parameters.channels
        for filters, stride in convolutions(parameters):
            convolution = nn.Conv2d(channels, filters, 3, stride, padding=1)
            nn.init.xavier_uniform_(convolution.weight)
            layers += [convolution, nn.ReLU()]
            channels = filters
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(channels, label_count)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """``(N, H, W, C) float32`` images to ``(N, labels) float32`` logits."""
        features = self.features(image.permute(0, 3, 1, 2))  # (N, filters, 2 or 3, 2 or 3)
        logits: torch.Tensor = self.head(features.mean((2, 3)))
        return logits


def convolutions(parameters: Parameters) -> list[tuple[int, int]]:
    """Filters and stride of each: every one after the first halves the image, to 2 or 3 pixels."""
    halvings = max(1, min(parameters.height, parameters.width).bit_length() - 2)
    return [(32, 1), (64, 2), *[(128, 2)] * (halvings - 1)]


def build(parameters: Parameters, label_count: int) -> Network:
    """A network that has learnt nothing yet."""
    return Network(parameters, label_count)


def train(
    network: Network,
    batches: Iterable[tuple[Arrays, npt.NDArray[np.int64]]],
    steps: int,
    recipe: Recipe,
) -> Iterator[float]:
    """Train *network* on one batch after the other.

    Args:
        network: changed in place.
        batches: ``{"image": (N, H, W, C) float32}`` and ``(N,)`` indices of labels.
        steps: how many batches there are.
        recipe: how fast it learns.

    Yields:
        The loss of each batch.
    """
    network.to(DEVICE).train()
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=recipe.weight_decay)
    for step, (inputs, targets) in enumerate(batches):
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate(step, steps)
        logits = network(torch.from_numpy(inputs["image"]).to(DEVICE))
        loss = nn.functional.cross_entropy(logits, torch.from_numpy(targets).to(DEVICE))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        yield loss.item()
