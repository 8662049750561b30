"""One function per format that a model version has.

To add a format, add its function and row here, and its loader in ``service.runtime``.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from service.lifecycle.saved_model import to_saved_model
from service.manifest import Signature
from service.owner import Network, Parameters
from service.runtime import quiet

Exporter: TypeAlias = Callable[[Network, Parameters, Signature, Path], None]


def to_keras(network: Network, _parameters: Parameters, _signature: Signature, path: Path) -> None:
    """Keras's own format."""
    with quiet():
        network.save(path)


def to_h5(network: Network, _parameters: Parameters, _signature: Signature, path: Path) -> None:
    """Keras's older format, in HDF5."""
    with quiet():
        network.save(path)


EXPORTERS: dict[str, tuple[str, Exporter]] = {
    # Model servers look for saved_model.pb in the version's folder itself.
    "saved_model": (".", to_saved_model),
    "keras": ("model.keras", to_keras),
    "h5": ("model.h5", to_h5),
}
"""Format to path in the version's folder and exporter; the first is served by default."""
