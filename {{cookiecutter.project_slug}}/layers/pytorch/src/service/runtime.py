"""Runs an exported model in this process. Knows nothing of tasks, training or HTTP."""

import contextlib
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from service.artefacts import check_pt, check_pt2
from service.errors import OwnerError
from service.manifest import Arrays, Artefact, Manifest, Signature
from service.owner import Parameters
# only: text-generation
from service.steps import Steps
# end

ASKED = os.environ.get("DEVICE", "")
"""The device that the owner asks for; empty for a GPU where there is one."""
DEVICE = torch.device("cuda" if ASKED != "cpu" and torch.cuda.is_available() else "cpu")

Graph: TypeAlias = Callable[..., Any]
"""The signature's inputs, as tensors in order, to its outputs: a tensor, or a tuple of several."""

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
    limit_threads(threads)
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

    check_pt2(path)
    program = torch.export.load(path)
    if DEVICE.type != "cpu":
        program = move_to_device_pass(program, DEVICE)
    module = program.module(check_guards=False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # PyTorch's types leave it out
    # .forward: the hooks of a call would compare shapes that the task has set already
    forward: Graph = module.forward
    return forward


def _load_pt(path: Path, _manifest: Manifest, _threads: int) -> Graph:
    check_pt(path)
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
    # As threads.py says of PyTorch's: without it they spin between requests, too.
    options.add_session_config_entry("session.intra_op.spin_duration_us", "20")
    providers = ["CPUExecutionProvider"]
    if DEVICE.type != "cpu":
        providers = onnxruntime.get_available_providers()
        if ASKED and "CUDAExecutionProvider" not in providers:
            raise OwnerError(
                f"DEVICE is {ASKED!r}, and the installed onnxruntime knows CPUs alone. Install "
                "onnxruntime-gpu in its place, or choose another format by MODEL_FORMAT."
            )
    session = onnxruntime.InferenceSession(path, options, providers=providers)
    # only: text-generation
    if "past" not in {each.name for each in session.get_inputs()}:
        return Steps(session, manifest.signature)
    # end
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


def check_device() -> None:
    """Refuse a device that was asked for and is not there, rather than compute on another."""
    if ASKED not in {"", "cpu", "cuda"}:
        raise OwnerError(f'DEVICE is {ASKED!r}; "cpu", "cuda" or nothing is accepted.')
    if ASKED == "cuda" and DEVICE.type != "cuda":
        why = "sees no GPU" if torch.version.cuda else "was built for CPUs"
        raise OwnerError(
            f'DEVICE is "cuda", and PyTorch {torch.__version__} {why}. Run it where a GPU is, in '
            'an image that was built with OVERLAY=gpu; or leave DEVICE empty, or say "cpu".'
        )


def limit_threads(threads: int) -> None:
    torch.set_num_threads(threads)
    with contextlib.suppress(RuntimeError):  # set before: it can be set once a process
        torch.set_num_interop_threads(1)
    # A GPU's TF32 would give other answers than the CPU, from the third digit on.
    torch.backends.cudnn.allow_tf32 = False
