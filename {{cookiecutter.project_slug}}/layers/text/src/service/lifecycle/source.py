"""Where examples and first weights come from, as the command line of the lifecycle names them."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from service.errors import OwnerError
from service.lifecycle.checkpoint import Checkpoint, resolve

if TYPE_CHECKING:
    from service.owner import Network, Parameters


class Source(BaseModel):
    """What a training starts from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: Path | None = None
    """File or folder of the examples; ``None`` for the starter's."""
    base_model: str | None = None
    """A checkpoint's folder, or its name on the Hugging Face hub; from scratch when ``None``."""

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Let *parser* accept a source."""
        parser.add_argument(
            "--data",
            type=Path,
            metavar="PATH",
            help="your examples, laid out as model/data.py says (default: the starter's examples)",
        )
        parser.add_argument(
            "--base-model",
            metavar="NAME",
            help="a Hugging Face checkpoint to start from: a folder, or a name on the hub such as "
            "ORG/NAME or ORG/NAME@REVISION (default: learn from scratch)",
        )

    @classmethod
    def of(cls, options: argparse.Namespace) -> "Source":
        """The source that was named on the command line."""
        base: str | None = options.base_model
        if base and Path(base).is_dir():
            base = str(Path(base).resolve())
        return cls(data=options.data and options.data.resolve(), base_model=base)

    def checkpoint(self) -> Checkpoint | None:
        """The checkpoint to start from; downloads it where that is needed.

        Raises:
            OwnerError: it is not there, or is not one.
        """
        return None if self.base_model is None else resolve(self.base_model)

    def network(self, parameters: "Parameters", label_count: int) -> "Network":
        """The network before the training.

        Raises:
            OwnerError: the checkpoint's weights are broken, or of another network.
        """
        # only: encoder
        from service.lifecycle.start import Start, read_longest  # noqa: PLC0415 - as the next
        # end
        from service.owner import network  # noqa: PLC0415 - slow to import, and only training needs it

        checkpoint = self.checkpoint()
        if checkpoint is None:
            return network.build(parameters, label_count)
        try:
            begun = network.from_checkpoint(checkpoint.folder, parameters, label_count)
        except OwnerError:
            raise
        except Exception as error:  # a broken file raises any of half a dozen
            raise OwnerError(
                f'The weights of the base model in "{checkpoint.folder}" cannot be read, or do not '
                f"fit its config.json. {type(error).__name__}: {str(error).splitlines()[0]}"
            ) from error
        # only: encoder
        read_longest(begun, Start(checkpoint.tokenizer, parameters), label_count)
        # end
        return begun
