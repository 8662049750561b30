"""The network in the hands of the lifecycle: seeded, saved, loaded, run. Knows nothing of tasks."""

import os
import platform
from pathlib import Path

import numpy as np
import torch

from service.errors import OwnerError
from service.framework import DEVICE
from service.manifest import Arrays, Signature
from service.owner import Network
from service.runtime import predictor

WEIGHTS = "weights.pth"
BATCH_SIZE = 32


def make_deterministic(seed: int) -> None:
    """Make all that follows in this process depend on *seed* alone."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # a GPU's cuBLAS asks for it
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(mode=True)


def save(network: Network, path: Path) -> None:
    """Write the weights of *network*."""
    torch.save(network.state_dict(), path)


def load(network: Network, path: Path) -> None:
    """Read weights that :func:`save` wrote into *network*.

    Raises:
        OwnerError: the file is broken, or is of another network.
    """
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # a broken file raises any of half a dozen
        raise OwnerError(
            f'"{path}" does not fit the network in model/network.py, or is broken. Run '
            f'"python -m service.lifecycle train" again. {type(error).__name__}: {error}'
        ) from error


def predict(network: Network, signature: Signature, inputs: Arrays) -> Arrays:
    """The outputs of *network* for a batch of any length."""
    run = predictor(network.to(DEVICE).eval(), signature)
    length = len(next(iter(inputs.values())))
    parts = [
        run({name: array[start : start + BATCH_SIZE] for name, array in inputs.items()})
        for start in range(0, length, BATCH_SIZE)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def versions() -> dict[str, str]:
    """What makes the models here, with versions."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": str(torch.__version__),
    }
