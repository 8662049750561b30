"""Tokens -> logits, step by step: a graph, and what it has read of each running sequence."""

import numpy as np
import numpy.typing as npt
import torch

from service.manifest import Signature
from service.runtime import DEVICE, Graph

_FIRST_POSITIONS = 128
"""For so many tokens memory is taken at first; for twice as many when they do not suffice."""


class Model:
    """A loaded graph with the keys and values of its attention, kept between steps.

    ``(rows, layers, 2, positions, heads, head size) float32``.

    Args:
        graph: reads tokens, lengths and the past; gives logits and what is new.
        signature: the graph's.
        rows: most sequences side by side.
        context_tokens: most positions.
    """

    def __init__(self, graph: Graph, signature: Signature, rows: int, context_tokens: int) -> None:
        past = next(entry for entry in signature.inputs if entry.name == "past")
        _, layers, two, _, heads, size = (axis or 0 for axis in past.shape)
        self.vocabulary_size = int(signature.outputs[0].shape[-1] or 0)
        self.context_tokens = context_tokens
        self._graph = graph
        self._past = torch.zeros(
            (rows, layers, two, min(_FIRST_POSITIONS, context_tokens), heads, size), device=DEVICE
        )

    def step(
        self, first_row: int, tokens: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Read *tokens* and remember them, as ``service.generation.Decoder`` says."""
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
        """Let the row *target* have read what *source* has, *length* tokens."""
        self._past[target, :, :, :length] = self._past[source, :, :, :length]

    def _reserve(self, positions: int) -> None:
        """Take memory for so many positions of each row."""
        former = self._past
        if positions <= former.shape[3]:
            return
        shape = list(former.shape)
        shape[3] = min(self.context_tokens, max(positions, 2 * shape[3]))
        self._past = torch.zeros(shape, device=DEVICE)
        self._past[:, :, :, : former.shape[3]] = former
