# only: in-process
"""Tokens -> logits, step by step: a graph, and what it has read of each running sequence."""

from typing import Any

import numpy as np
import numpy.typing as npt

from service.framework import tf
from service.manifest import Signature
from service.runtime import Graph

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
        positions = min(_FIRST_POSITIONS, context_tokens)
        self._take(tf.zeros((rows, layers, two, positions, heads, size)))

    def step(
        self, first_row: int, tokens: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Read *tokens* and remember them, as ``service.generation.Decoder`` says."""
        count, new = tokens.shape
        self._reserve(int(lengths.max()) + new)
        rows = np.arange(first_row, first_row + count)
        found: npt.NDArray[np.float32] = self._run(
            tf.constant(tokens), tf.constant(lengths), tf.constant(rows)
        ).numpy()
        return found

    def move(self, source: int, target: int, length: int) -> None:
        """Let the row *target* have read what *source* has, *length* tokens."""
        copied = self._read(tf.constant([source], tf.int64), tf.constant(length, tf.int64))
        self._write(tf.constant([target], tf.int64), tf.constant([0], tf.int64), copied)

    def forget(self, row: int) -> None:
        """Keep the memory of *row*, which a variable cannot give back in part."""

    def _take(self, past: Any) -> None:
        """Keep *past* from now on."""
        self._past = tf.Variable(past, trainable=False)
        row_numbers = tf.TensorSpec((None,), tf.int64)
        tokens = tf.TensorSpec((None, None), tf.int64)
        # Made anew: a graph holds the variable that was there when it was made.
        self._run = tf.function(
            self._run_eagerly, input_signature=(tokens, row_numbers, row_numbers)
        )

    def _reserve(self, positions: int) -> None:
        """Take memory for so many positions of each row."""
        former = self._past.shape[3]
        if positions <= former:
            return
        wanted = min(self.context_tokens, max(positions, 2 * former))
        padding = [[0, 0]] * 6
        padding[3] = [0, wanted - former]
        self._take(tf.pad(self._past, padding))

    def _run_eagerly(self, tokens: Any, lengths: Any, rows: Any) -> Any:
        past = self._read(rows, tf.maximum(tf.reduce_max(lengths), 1))
        outputs = self._graph({"tokens": tokens, "lengths": lengths, "past": past})
        self._write(rows, lengths, outputs["present"])
        return outputs["logits"]

    def _read(self, rows: Any, length: Any) -> Any:
        """The first *length* positions of *rows*.

        Gathered: a variable that was written into piece by piece is copied whole by a slice.
        """
        positions = tf.tile(tf.range(length)[None], (tf.size(rows), 1))
        return self._past.gather_nd(self._places(rows, positions))

    def _write(self, rows: Any, lengths: Any, present: Any) -> None:
        """Put *present* behind the first *lengths* positions of *rows*."""
        positions = lengths[:, None] + tf.range(tf.shape(present, tf.int64)[3])
        self._past.scatter_nd_update(self._places(rows, positions), present)

    def _places(self, rows: Any, positions: Any) -> Any:
        """``(N,)`` rows and ``(N, P)`` positions to ``(N, layers, 2, P, 4)`` indices."""
        _, layers, two, *_ = self._past.shape
        shape = (tf.shape(positions)[0], layers, two, tf.shape(positions)[1])
        parts = (
            rows[:, None, None, None],
            tf.range(layers, dtype=tf.int64)[:, None, None],
            tf.range(two, dtype=tf.int64)[:, None],
            positions[:, None, None, :],
        )
        return tf.stack([tf.broadcast_to(part, shape) for part in parts], axis=-1)
# end
