"""Keys and values that stay where they are, and a session of ONNX Runtime that writes them there.

Each layer has a buffer for its keys and one for its values, ``(rows, heads, positions, head size)
float32``: input and output at once, so that a step copies nothing of what was read before.
"""

import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

from service.manifest import Signature

_CAN_GIVE_BACK = hasattr(mmap, "MAP_PRIVATE") and hasattr(mmap, "MADV_DONTNEED")
"""Linux and macOS can."""


def names(layers: int) -> tuple[list[str], list[str]]:
    """The buffers' names, as inputs and as outputs of a session."""
    kinds = [f"{layer}.{kind}" for layer in range(layers) for kind in ("keys", "values")]
    return [f"past.{each}" for each in kinds], [f"present.{each}" for each in kinds]


class Pages:
    """``array``, float32 zeros of *shape*, whose memory is taken page by page as it is written."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        size = 4 * int(np.prod(shape))
        flags = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if _CAN_GIVE_BACK else {}
        self._map = mmap.mmap(-1, size, **flags)
        self._row_bytes = size // shape[0]
        self.array = np.frombuffer(self._map, np.float32).reshape(shape)

    def give_back(self, row: int) -> None:
        """Give back the memory of a row that is not needed any more."""
        start = -(-row * self._row_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
        end = (row + 1) * self._row_bytes // mmap.PAGESIZE * mmap.PAGESIZE  # other rows stay
        if end > start and _CAN_GIVE_BACK:
            self._map.madvise(mmap.MADV_DONTNEED, start, end - start)


class Buffers:
    """Keys and values of *rows*, and the *session* that reads and writes them."""

    def __init__(self, session: Any, signature: Signature, rows: int, positions: int) -> None:
        _, layers, two, _, heads, size = (axis or 0 for axis in signature.inputs[2].shape)
        shape = (rows, heads, positions, size)
        self._session = session
        self._names = [*zip(*names(layers), strict=True)]
        self._pages = [Pages(shape) for _ in range(layers * two)]
        self.arrays = [each.array for each in self._pages]

    def step(
        self, first_row: int, tokens: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Read *tokens* and remember them, as ``service.generation.Decoder`` says."""
        count, new = tokens.shape
        if count > 1 and new > 1:  # which the operator does for one row alone
            each = [
                self.step(first_row + row, tokens[row : row + 1], lengths[row : row + 1])
                for row in range(count)
            ]
            return np.concatenate(each)
        tokens, lengths = map(np.ascontiguousarray, (tokens, lengths))
        binding = self._session.io_binding()
        binding.bind_cpu_input("tokens", tokens)
        binding.bind_cpu_input("lengths", lengths)
        binding.bind_output("logits")
        for (old, present), array in zip(self._names, self.arrays, strict=True):
            rows = array[first_row : first_row + count]
            place = ("cpu", 0, np.float32, rows.shape, rows.ctypes.data)
            binding.bind_input(old, *place)
            binding.bind_output(present, *place)
        self._session.run_with_iobinding(binding)
        found: npt.NDArray[np.float32] = binding.get_outputs()[0].numpy()
        return found

    def move(self, source: int, target: int, length: int) -> None:
        """Let the row *target* have read what *source* has, *length* tokens."""
        for array in self.arrays:
            array[target, :, :length] = array[source, :, :length]

    def forget(self, row: int) -> None:
        """Give back what *row* has taken."""
        for each in self._pages:
            each.give_back(row)


class Past:
    """Keys and values of *rows*, for a *graph* without memory, which takes and gives arrays."""

    def __init__(self, graph: Any, signature: Signature, rows: int, positions: int) -> None:
        _, layers, two, _, heads, size = (axis or 0 for axis in signature.inputs[2].shape)
        self._graph = graph
        self._pages = Pages((rows, layers, two, positions, heads, size))

    def step(
        self, first_row: int, tokens: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Read *tokens* and remember them, as ``service.generation.Decoder`` says."""
        count, new = tokens.shape
        past = self._pages.array[first_row : first_row + count]
        logits: npt.NDArray[np.float32]
        logits, present = self._graph(tokens, lengths, past[:, :, :, : max(1, lengths.max())])
        for row, length in enumerate(lengths.tolist()):
            past[row, :, :, length : length + new] = present[row]
        return logits

    def move(self, source: int, target: int, length: int) -> None:
        """Let the row *target* have read what *source* has, *length* tokens."""
        self._pages.array[target, :, :, :length] = self._pages.array[source, :, :, :length]

    def forget(self, row: int) -> None:
        """Give back what *row* has taken."""
        self._pages.give_back(row)


class Steps:
    """A session as a graph with the signature of a step; ``buffers`` are for many of them."""

    def __init__(self, session: Any, signature: Signature) -> None:
        self._session = session
        self._signature = signature

    def buffers(self, rows: int, positions: int) -> Buffers:
        return Buffers(self._session, self._signature, rows, positions)

    def __call__(
        self,
        tokens: npt.NDArray[np.int64],
        lengths: npt.NDArray[np.int64],
        past: npt.NDArray[np.float32],
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Logits, and what is new of keys and values."""
        (count, new), read = tokens.shape, past.shape[3]
        buffers = self.buffers(count, read + new)
        by_layer = past.transpose(1, 2, 0, 4, 3, 5)
        known = by_layer.reshape(-1, *by_layer.shape[2:])  # (2 layers, N, heads, P, head size)
        for array, old in zip(buffers.arrays, known, strict=True):
            array[:, :, :read] = old
        logits = buffers.step(0, tokens, lengths)
        kept = np.stack(buffers.arrays)
        present = np.stack(
            [kept[:, row, :, at : at + new] for row, at in enumerate(lengths.tolist())]
        )  # (N, 2 layers, heads, T, head size)
        present = present.reshape(*past.shape[:3], *present.shape[2:]).swapaxes(3, 4)
        return logits, np.ascontiguousarray(present)
