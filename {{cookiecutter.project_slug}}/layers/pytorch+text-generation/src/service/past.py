"""What was read before, for steps of PyTorch: kept on a GPU, and masked."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from service.framework import DEVICE
from service.manifest import Signature
from service.runtime import Graph

_FIRST_POSITIONS = 128
"""For so many tokens memory is taken on a GPU; for twice as many when they do not suffice."""


class DevicePast:
    """``service.steps.Past`` in a GPU's memory, for a graph of tensors."""

    def __init__(self, graph: Graph, signature: Signature, rows: int, context_tokens: int) -> None:
        _, layers, two, _, heads, size = (axis or 0 for axis in signature.inputs[2].shape)
        self._context_tokens = context_tokens
        self._graph = graph
        first = min(_FIRST_POSITIONS, context_tokens)
        self._past = torch.zeros((rows, layers, two, first, heads, size), device=DEVICE)

    def step(
        self, first_row: int, tokens: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        count, new = tokens.shape
        longest = int(lengths.max())
        self._reserve(longest + new)
        rows = slice(first_row, first_row + count)
        with torch.inference_mode():
            logits, present = self._graph(
                torch.from_numpy(tokens).to(DEVICE),
                torch.from_numpy(lengths).to(DEVICE),
                self._past[rows, :, :, : max(1, longest)],
            )
            for row, length in enumerate(lengths.tolist()):
                self._past[first_row + row, :, :, length : length + new] = present[row]
            found: npt.NDArray[np.float32] = logits.cpu().numpy()
        return found

    def move(self, source: int, target: int, length: int) -> None:
        self._past[target, :, :, :length] = self._past[source, :, :, :length]

    def forget(self, row: int) -> None:
        """Nothing: memory is taken for all rows."""

    def _reserve(self, positions: int) -> None:
        """Take memory for so many positions of each row."""
        former = self._past
        if positions <= former.shape[3]:
            return
        shape = list(former.shape)
        shape[3] = min(self._context_tokens, max(positions, 2 * shape[3]))
        self._past = torch.zeros(shape, device=DEVICE)
        self._past[:, :, :, : former.shape[3]] = former


def masks(config: Any, lengths: torch.Tensor, new: int, read: int) -> Any:
    """What each new token may look at, added to the attention's scores: ``(N, 1, T, P + T)``.

    One mask, or one for each kind of layer, as transformers' ``create_masks_for_generate``.
    """
    rows = lengths.shape[0]  # not len(), which torch.export takes for a constant
    order = torch.arange(new, device=lengths.device)
    old = torch.arange(read, device=lengths.device).expand(rows, -1)  # (N, P)
    positions = lengths[:, None] + order  # (N, T)
    before = (old < lengths[:, None])[:, None].expand(-1, new, -1)
    among = (order <= order[:, None]).expand(rows, -1, -1)
    allowed = torch.cat([before, among], -1)[:, None]  # (N, 1, T, P + T)
    found = {"full_attention": allowed}
    if window := getattr(config, "sliding_window", None):
        ages = positions[:, :, None] - torch.cat([old, positions], -1)[:, None]
        found["sliding_attention"] = allowed & (ages < window)[:, None]
    least = torch.finfo(torch.float32).min
    added = {kind: torch.where(mask, 0.0, least) for kind, mask in found.items()}
    is_by_layer = hasattr(config, "layer_types")
    return added if is_by_layer else added.popitem()[1]  # where one window is for all layers
