"""The network in the hands of the lifecycle: seeded, saved, loaded, run and exported."""

import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from service.errors import OwnerError
from service.framework import DEVICE, check_device, quiet
# only: text-generation
from service.lifecycle import fused
# end
from service.manifest import Arrays, Signature
from service.numerics import in_batches
from service.owner import Network, Parameters
from service.runtime import predictor

WEIGHTS = "weights.pth"


def make_deterministic(seed: int) -> None:
    """Make all that follows in this process depend on *seed* alone."""
    check_device()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # a GPU's cuBLAS asks for it
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(mode=True)


def save(network: Network, path: Path) -> None:
    torch.save(network.state_dict(), path)


def load(network: Network, path: Path) -> None:
    """Read weights that :func:`save` wrote; ``OwnerError`` where they do not fit, or are broken."""
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # a broken file raises any of half a dozen
        raise OwnerError(
            f'"{path}" does not fit the network in model/network.py, or is broken. Run '
            f'"python -m service.lifecycle train" again. {type(error).__name__}: {error}'
        ) from error


def predict(network: Network, signature: Signature, inputs: Arrays) -> Arrays:
    """The outputs of *network* for a batch of any length."""
    return in_batches(predictor(network.to(DEVICE).eval(), signature), inputs)


def versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": str(torch.__version__),
    }


Exporter: TypeAlias = Callable[[Network, Parameters, Signature, Path], None]


def to_pt2(network: Network, _parameters: Parameters, signature: Signature, path: Path) -> None:
    """``torch.export``: graph and weights in one file, no Python code needed to run it."""
    with quiet():
        torch.export.save(_program(network, signature), path)


def to_pt(network: Network, _parameters: Parameters, signature: Signature, path: Path) -> None:
    """TorchScript: what older model servers read."""
    with quiet():
        traced = torch.jit.trace(network.cpu().eval(), _example(signature))  # type: ignore[no-untyped-call]
        torch.jit.freeze(traced).save(str(path))


def to_pth(network: Network, _parameters: Parameters, _signature: Signature, path: Path) -> None:
    """The weights alone; ``model.network`` must build the same network to load them."""
    torch.save(network.cpu().state_dict(), path)


# only: predict
def to_onnx(network: Network, _parameters: Parameters, signature: Signature, path: Path) -> None:
    """ONNX, with the signature's names."""
# end
# only: text-generation
def to_onnx(network: Network, parameters: Parameters, signature: Signature, path: Path) -> None:
    """ONNX: with buffers for keys and values if it can be, else with the signature's names."""
    if fused.to_onnx(network, parameters, path):
        return
# end
    with quiet():
        torch.onnx.export(
            _program(network, signature),
            f=path,
            input_names=[entry.name for entry in signature.inputs],
            output_names=[entry.name for entry in signature.outputs],
            dynamo=True,
            external_data=False,
            verbose=False,
        )


EXPORTERS: dict[str, tuple[str, Exporter]] = {
    "pt2": ("model.pt2", to_pt2),
    "pt": ("model.pt", to_pt),
    "pth": ("model.pth", to_pth),
    "onnx": ("model.onnx", to_onnx),
}
"""Format to path in the version's folder and exporter; the first is served by default.

A format added here needs a loader in ``service.runtime``.
"""


def _program(network: Network, signature: Signature) -> torch.export.ExportedProgram:
    axes: list[dict[int, Any]] = [
        {axis: torch.export.Dim.DYNAMIC for axis, size in enumerate(entry.shape) if size is None}
        for entry in signature.inputs
    ]
    return torch.export.export(
        network.cpu().eval(), _example(signature), dynamic_shapes=tuple(axes)
    )


def _example(signature: Signature) -> tuple[torch.Tensor, ...]:
    """Inputs of zeros, with unequal lengths of 2 or more along the unknown axes.

    PyTorch takes a length of 1 for a fixed one, and may take equal lengths for the same one.
    """
    return tuple(
        torch.zeros(
            [axis + 2 if size is None else size for axis, size in enumerate(entry.shape)],
            dtype=getattr(torch, entry.dtype),
        )
        for entry in signature.inputs
    )
