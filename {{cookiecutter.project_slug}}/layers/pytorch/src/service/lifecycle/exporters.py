"""One function per format that a model version has.

To add a format, add its function and row here, and its loader in ``service.runtime``.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import torch

from service.manifest import Signature
from service.owner import Network, Parameters
from service.runtime import quiet

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


def to_onnx(network: Network, _parameters: Parameters, signature: Signature, path: Path) -> None:
    """ONNX, with the signature's names."""
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
"""Format to path in the version's folder and exporter; the first is served by default."""


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
