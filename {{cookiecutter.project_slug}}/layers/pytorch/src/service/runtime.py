"""Runs an exported model in this process. Knows nothing of tasks, training or HTTP.

PyTorch is imported where a format needs it: ONNX does not, and its image may have no PyTorch.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from service.errors import OwnerError
from service.manifest import Arrays, Artefact, Manifest, Signature
# only: text-generation
from service.steps import Steps
# end

ASKED = os.environ.get("DEVICE", "")
"""The device that the owner asks for; empty for a GPU where there is one."""

Graph: TypeAlias = Callable[..., Any]
"""The signature's inputs in order to its outputs, one or a tuple: arrays for ONNX, else tensors."""

Predict: TypeAlias = Callable[[Arrays], Arrays]
"""Named inputs of a batch to its named outputs. To be called from one thread."""

Loader: TypeAlias = Callable[[Path, Manifest, int], Graph]
"""Path of the artefact, the version's manifest, threads."""


def load(folder: Path, manifest: Manifest, artefact: Artefact, threads: int) -> Predict:
    """Load *artefact* as :func:`load_graph` does, to be run with arrays."""
    return predictor(load_graph(folder, manifest, artefact, threads), manifest.signature)


def load_graph(folder: Path, manifest: Manifest, artefact: Artefact, threads: int) -> Graph:
    """Load *artefact* of the model version in *folder*, whose files are taken to be checked.

    ``OwnerError`` where there is no loader for the format, a library or DEVICE is missing, the file
    does not load, or it would do more than compute.
    """
    if artefact.format not in LOADERS:
        accepted = ", ".join(LOADERS)
        raise OwnerError(f'Format "{artefact.format}" is not one of those served: {accepted}.')
    check_device()
    try:
        return LOADERS[artefact.format](folder / artefact.path, manifest, threads)
    except OwnerError:
        raise
    except Exception as error:  # each format's library raises its own
        raise OwnerError(
            f'"{folder / artefact.path}" does not load as "{artefact.format}". '
            f"{type(error).__name__}: {error}"
        ) from error


def predictor(graph: Graph, signature: Signature) -> Predict:
    """Let *graph* take named arrays."""
    if not isinstance(graph, OF_ARRAYS):
        from service.framework import on_arrays  # noqa: PLC0415 - slow to import

        graph = on_arrays(graph)

    def predict(batch: Arrays) -> Arrays:
        results = graph(*(batch[entry.name] for entry in signature.inputs))
        named = zip(signature.outputs, results, strict=True)
        return {entry.name: result for entry, result in named}

    return predict


def check_device() -> None:
    if ASKED not in {"", "cpu", "cuda"}:
        raise OwnerError(f'DEVICE is {ASKED!r}; "cpu", "cuda" or nothing is accepted.')


class Session:
    """A session of ONNX Runtime as a graph."""

    def __init__(self, session: Any, signature: Signature) -> None:
        self._session = session
        self._inputs = [entry.name for entry in signature.inputs]
        self._outputs = [entry.name for entry in signature.outputs]

    def __call__(self, *arrays: Any) -> list[Any]:
        found: list[Any] = self._session.run(
            self._outputs, dict(zip(self._inputs, arrays, strict=True))
        )
        return found


# only: predict
OF_ARRAYS = (Session,)
# end
# only: text-generation
OF_ARRAYS = (Session, Steps)
# end
"""Graphs that take and give arrays; others do so with tensors."""


def _load_onnx(path: Path, manifest: Manifest, threads: int) -> Graph:
    try:
        import onnxruntime  # noqa: PLC0415 - not among what the service needs otherwise
    except ImportError:
        raise OwnerError(
            'Format "onnx" needs onnxruntime, which is not installed. Add it to the dependencies '
            "in pyproject.toml, or choose another format."
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # As threads.py says of PyTorch's: without it they spin between requests, too.
    options.add_session_config_entry("session.intra_op.spin_duration_us", "20")
    there = onnxruntime.get_available_providers()
    if ASKED == "cuda" and "CUDAExecutionProvider" not in there:
        raise OwnerError(
            'DEVICE is "cuda", and the installed onnxruntime knows CPUs alone. Install '
            "onnxruntime-gpu in its place, or choose another format by MODEL_FORMAT, in an image "
            "that was built with OVERLAY=gpu."
        )
    providers = ["CPUExecutionProvider"]
    if ASKED != "cpu" and "CUDAExecutionProvider" in there:
        providers.insert(0, "CUDAExecutionProvider")
    session = onnxruntime.InferenceSession(path, options, providers=providers)
    # only: text-generation
    if "past" not in {each.name for each in session.get_inputs()}:
        return Steps(session, manifest.signature)
    # end
    return Session(session, manifest.signature)


def _load_by_framework(format_name: str, path: Path, manifest: Manifest, threads: int) -> Graph:
    try:
        from service import framework  # noqa: PLC0415 - slow to import, and may not be there
    except ModuleNotFoundError as error:
        raise OwnerError(
            f'Format "{format_name}" needs {error.name}, which is not installed: "make image" '
            'leaves PyTorch out where "onnx" is served. Build the image with '
            f"MODEL_FORMAT={format_name}, or serve onnx."
        ) from None
    return framework.load(format_name, path, manifest, threads)


LOADERS: dict[str, Loader] = {
    **{name: partial(_load_by_framework, name) for name in ("pt2", "pt", "pth")},
    "onnx": _load_onnx,
}
