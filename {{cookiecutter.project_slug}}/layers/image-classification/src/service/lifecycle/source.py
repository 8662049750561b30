"""What a training starts from: examples, and perhaps a network that was trained elsewhere."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from service.errors import OwnerError

if TYPE_CHECKING:
    from service.owner import Network, Parameters


class Source(BaseModel):
    """What a training starts from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: Path | None = None
    """Folder of the examples; ``None`` for the starter's."""
    base_model: Path | None = None
    """What has the weights that the network begins with; from scratch when ``None``."""
    preprocess: str = ""
    size: str = ""
    """As for an import, where the base model does not say."""

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Let *parser* accept a source."""
        parser.add_argument(
            "--data",
            type=Path,
            metavar="DIR",
            help="folder of labelled examples, laid out as model/data.py says "
            "(default: the starter's examples)",
        )
        parser.add_argument(
            "--base-model",
            metavar="PATH",
            help="trained weights for the network in model/network.py, but for its head: a file or "
            "folder as docs/import.md lists them (default: learn from scratch)",
        )
        parser.add_argument("--preprocess", default="", help="what a pixel becomes for those")
        parser.add_argument("--size", default="", help="of the images: 224, or 224x160 (H x W)")

    @classmethod
    def of(cls, options: argparse.Namespace) -> "Source":
        """The source that was named on the command line."""
        from service.lifecycle.readers import local  # noqa: PLC0415 - only training needs it

        base = options.base_model and local(Path(options.base_model)).resolve()
        data = options.data and options.data.resolve()
        return cls(data=data, base_model=base, preprocess=options.preprocess, size=options.size)

    def parameters(self, own: "Parameters") -> "Parameters":
        """Of the images: as the base model says, or is said of it; else *own*."""
        if self.base_model is None:
            return own
        from service.lifecycle import readers  # noqa: PLC0415 - only training needs it
        from service.lifecycle.original import parameters_of  # noqa: PLC0415

        try:
            found = readers.find_base(self.base_model)
        except OwnerError as error:
            raise OwnerError(str(error).replace("FROM is", "BASE_MODEL is", 1)) from None
        if found.parameters is None and not self.preprocess and not self.size:
            return own
        return parameters_of(found, readers.geometry, self.preprocess, self.size)

    def network(self, parameters: "Parameters", label_count: int) -> "Network":
        """The network before the training."""
        from service.owner import network  # noqa: PLC0415 - slow to import, and only training needs it

        built = network.build(parameters, label_count)
        if self.base_model is not None:
            from service.lifecycle.originals import take_weights  # noqa: PLC0415 - as the last

            take_weights(built, self.base_model, label_count)
        return built
