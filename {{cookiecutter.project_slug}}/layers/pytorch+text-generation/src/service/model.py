"""Tokens -> logits, step by step: a graph, and what it has read of each running sequence."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from service.manifest import Signature
from service.runtime import OF_ARRAYS, Graph
from service.steps import Buffers, Past, Steps

if TYPE_CHECKING:
    from service.past import DevicePast


class Model:
    """A loaded graph, and what it has read of each sequence, kept between steps.

    Args:
        graph: reads tokens, lengths and the past; gives logits and what is new.
        signature: the graph's.
        rows: most sequences side by side.
        context_tokens: most positions.
    """

    def __init__(self, graph: Graph, signature: Signature, rows: int, context_tokens: int) -> None:
        self.vocabulary_size = int(signature.outputs[0].shape[-1] or 0)
        self.context_tokens = context_tokens
        kept = _keeping(graph, signature, rows, context_tokens)
        self.move = kept.move
        self.forget = kept.forget
        self._step = kept.step

    def step(
        self, first_row: int, tokens: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Read *tokens* and remember them, as ``service.generation.Decoder`` says."""
        return self._step(first_row, tokens, lengths)


def _keeping(
    graph: Graph, signature: Signature, rows: int, context_tokens: int
) -> "Buffers | Past | DevicePast":
    """*graph* with memory, where it computes."""
    if isinstance(graph, Steps):
        return graph.buffers(rows, context_tokens)
    if isinstance(graph, OF_ARRAYS):
        return Past(graph, signature, rows, context_tokens)
    from service.framework import DEVICE, on_arrays  # noqa: PLC0415 - slow to import

    if DEVICE.type == "cpu":
        return Past(on_arrays(graph), signature, rows, context_tokens)
    from service.past import DevicePast  # noqa: PLC0415

    return DevicePast(graph, signature, rows, context_tokens)
