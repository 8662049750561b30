"""Where the examples come from, as the command line of the lifecycle names it."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from service.owner import Network, Parameters


class Source(BaseModel):
    """What a training starts from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: Path | None = None
    """Folder of the examples; ``None`` for the starter's."""

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

    @classmethod
    def of(cls, options: argparse.Namespace) -> "Source":
        """The source that was named on the command line."""
        return cls(data=options.data and options.data.resolve())

    def network(self, parameters: "Parameters", label_count: int) -> "Network":
        """The network before the training."""
        from service.owner import network  # noqa: PLC0415 - slow to import, and only training needs it

        return network.build(parameters, label_count)
