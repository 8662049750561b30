"""Runs an exported model in this process. Knows nothing of tasks, training or HTTP."""

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from service.errors import OwnerError
from service.manifest import Arrays, Artefact, Manifest, Signature
from service.owner import Parameters

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")

Graph: TypeAlias = Callable[..., Any]
"""The signature's inputs, as tensors in order, to its outputs: a tensor, or a tuple of several."""

Predict: TypeAlias = Callable[[Arrays], Arrays]
"""Named inputs of a batch to its named outputs. To be called from one thread."""

Loader: TypeAlias = Callable[[Path, Manifest, int], Graph]
"""Path of the artefact, the version's manifest, threads."""


def load(folder: Path, manifest: Manifest, artefact: Artefact, threads: int) -> Predict:
    """Load *artefact* of the model version in *folder*, to be run with arrays.

    Args and errors are those of :func:`load_graph`.
    """
    return predictor(load_graph(folder, manifest, artefact, threads), manifest.signature)


def load_graph(folder: Path, manifest: Manifest, artefact: Artefact, threads: int) -> Graph:
    """Load *artefact* of the model version in *folder*.

    Args:
        folder: the version's.
        manifest: the version's; its files are taken to be checked.
        artefact: one of the manifest's.
        threads: threads for one inference, at least 1.

    Raises:
        OwnerError: no loader for the format, a library is missing, or the file does not load.
    """
    if artefact.format not in LOADERS:
        accepted = ", ".join(LOADERS)
        raise OwnerError(f'Format "{artefact.format}" is not one of those served: {accepted}.')
    limit_threads(threads)
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
    """Let *graph*, which takes and gives tensors in the signature's order, take named arrays."""

    def predict(batch: Arrays) -> Arrays:
        with torch.inference_mode():
            results = graph(*(_tensor(batch[entry.name]) for entry in signature.inputs))
        if isinstance(results, torch.Tensor):
            results = (results,)
        named = zip(signature.outputs, results, strict=True)
        return {entry.name: result.cpu().numpy() for entry, result in named}

    return predict


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence what PyTorch says of formats that are wanted all the same, or of its own insides."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)  # "torchvision is not installed"
    try:
        with warnings.catch_warnings():
            # TorchScript is deprecated; model servers still read nothing else.
            warnings.filterwarnings("ignore", r"`torch\.jit\.", DeprecationWarning)
            # What a trace cannot see does not matter: each export is compared with the original.
            warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # type: ignore[attr-defined]  # PyTorch does not list it
            # Libraries' use of their own classes.
            warnings.filterwarnings("ignore", category=FutureWarning)
            yield
    finally:
        log.setLevel(level)


def _load_pt2(path: Path, _manifest: Manifest, _threads: int) -> Graph:
    from torch.export.passes import move_to_device_pass  # noqa: PLC0415 - slow to import

    program = torch.export.load(path)
    if DEVICE.type != "cpu":
        program = move_to_device_pass(program, DEVICE)
    module = program.module(check_guards=False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # PyTorch's types leave it out
    # .forward: the hooks of a call would compare shapes that the task has set already
    forward: Graph = module.forward
    return forward


def _load_pt(path: Path, _manifest: Manifest, _threads: int) -> Graph:
    with quiet():
        module: Graph = torch.jit.load(path, map_location=DEVICE)  # type: ignore[no-untyped-call]
    return module


def _load_pth(path: Path, manifest: Manifest, _threads: int) -> Graph:
    try:
        from service.owner import network  # noqa: PLC0415 - its libraries may be there for training only
    except ImportError as error:
        raise OwnerError(
            f'Format "pth" needs {error.name}, which is not installed. Add it to the dependencies '
            "in pyproject.toml, or choose another format."
        ) from None
    module = network.build(Parameters.model_validate(manifest.parameters), len(manifest.labels))
    module.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    module = module.to(DEVICE).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # PyTorch's types leave it out
    evaluated: Graph = module.eval()
    return evaluated


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
    providers = onnxruntime.get_available_providers()
    session = onnxruntime.InferenceSession(path, options, providers=providers)
    inputs = [entry.name for entry in manifest.signature.inputs]
    outputs = [entry.name for entry in manifest.signature.outputs]

    def run(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        arrays = [tensor.cpu().numpy() for tensor in tensors]
        found = session.run(outputs, dict(zip(inputs, arrays, strict=True)))
        return tuple(torch.from_numpy(each) for each in found)

    return run


LOADERS: dict[str, Loader] = {
    "pt2": _load_pt2,
    "pt": _load_pt,
    "pth": _load_pth,
    "onnx": _load_onnx,
}


def _tensor(array: np.ndarray[Any, np.dtype[Any]]) -> torch.Tensor:
    # A tensor shares the array's memory, and PyTorch warns where that is read-only.
    return torch.from_numpy(np.require(array, requirements=["C", "W"])).to(DEVICE)


def limit_threads(threads: int) -> None:
    """Let one inference, or one step of a training, use so many threads."""
    torch.set_num_threads(threads)
    with contextlib.suppress(RuntimeError):  # set before: it can be set once a process
        torch.set_num_interop_threads(1)
    # A GPU's TF32 would give other answers than the CPU, from the third digit on.
    torch.backends.cudnn.allow_tf32 = False
