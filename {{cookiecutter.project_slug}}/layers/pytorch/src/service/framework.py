"""PyTorch and the formats that it loads: imported where one of them is served, or for training."""

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from service import runtime
from service.artefacts import check_pt, check_pt2
from service.errors import OwnerError
from service.manifest import Manifest
from service.owner import Parameters
from service.runtime import Graph, Loader

DEVICE = torch.device("cuda" if runtime.ASKED != "cpu" and torch.cuda.is_available() else "cpu")


def load(format_name: str, path: Path, manifest: Manifest, threads: int) -> Graph:
    """As ``runtime.load_graph``, of tensors."""
    limit_threads(threads)
    check_device()
    return LOADERS[format_name](path, manifest, threads)


def on_arrays(graph: Graph) -> Graph:
    """Let *graph*, which takes and gives tensors, take and give arrays."""

    def run(*arrays: np.ndarray[Any, np.dtype[Any]]) -> tuple[np.ndarray[Any, np.dtype[Any]], ...]:
        with torch.inference_mode():
            results = graph(*map(_tensor, arrays))
        if isinstance(results, torch.Tensor):
            results = (results,)
        return tuple(result.cpu().numpy() for result in results)

    return run


def _tensor(array: np.ndarray[Any, np.dtype[Any]]) -> torch.Tensor:
    # A tensor shares the array's memory, and PyTorch warns where that is read-only.
    return torch.from_numpy(np.require(array, requirements=["W"])).to(DEVICE)


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


LOADERS: dict[str, Loader] = {
    "pt2": _load_pt2,
    "pt": _load_pt,
    "pth": _load_pth,
}


def check_device() -> None:
    """Refuse a device that was asked for and is not there, rather than compute on another."""
    runtime.check_device()
    if runtime.ASKED == "cuda" and DEVICE.type != "cuda":
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
