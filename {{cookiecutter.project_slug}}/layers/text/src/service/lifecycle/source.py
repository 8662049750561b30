"""What a training starts from: examples, and perhaps a Hugging Face checkpoint.

A checkpoint is config.json, weights as safetensors and tokenizer.json: in a folder, or under a name
on the hub, which is then downloaded to the hub's own cache.
"""

import argparse
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import snapshot_download
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from tokenizers import Tokenizer

from service.errors import OwnerError, first_fault
# only: pytorch
from service.lifecycle.pickles import is_pickle
# end

if TYPE_CHECKING:
    from service.owner import Network, Parameters

_FILES = ["*.json", "*.jinja", "*.safetensors", "vocab.txt", "merges.txt"]
_NEEDED = {
    "config.json": ["config.json"],
    # only: tensorflow
    "weights as *.safetensors": ["*.safetensors"],
    "tokenizer.json": ["tokenizer.json"],
    # end
    # only: pytorch
    "weights as *.safetensors or pytorch_model.bin": ["*.safetensors", "pytorch_model*.bin"],
    "tokenizer.json, vocab.txt or vocab.json": ["tokenizer.json", "vocab.txt", "vocab.json"],
    # end
}
"""What a checkpoint must have, and by which files it has it."""
_LIKE_ROBERTA = re.compile("roberta|camembert|data2vec-text|ibert|longformer|luke|mpnet|xmod")
"""Families whose positions are counted from the id of the padding token on, as RoBERTa's."""
_OBJECT = TypeAdapter(dict[str, Any])


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was found whole: its folder, what its files of JSON say, its tokenizer."""

    folder: Path
    config: dict[str, Any]
    tokenizer_config: dict[str, Any]
    tokenizer: bytes
    """The content of a ``tokenizer.json``."""

    @property
    def max_length(self) -> int:
        """Most tokens that the network has positions for; very many when it does not say."""
        positions = self.config.get("max_position_embeddings") or self.config.get("n_positions")
        if positions and _LIKE_ROBERTA.search(self.config.get("model_type", "")):
            padding = self.config.get("pad_token_id")
            positions -= (1 if padding is None else padding) + 1
        limits = (positions, self.tokenizer_config.get("model_max_length"))
        return int(min(limit for limit in (*limits, 10**9) if limit))

    def labels(self, head: str) -> list[str] | None:
        """The labels of a checkpoint that was trained for a task already; else ``None``.

        *head* is how the names of its classes end, as in ``ForSequenceClassification``.
        """
        names = self.config.get("architectures") or []
        if not any(name.endswith(head) for name in names):
            return None
        id2label = self.config.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}
        return [label for _, label in sorted(id2label.items(), key=lambda pair: int(pair[0]))]


class Source(BaseModel):
    """What a training starts from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: Path | None = None
    """File or folder of the examples; ``None`` for the starter's."""
    base_model: str | None = None
    """A checkpoint's folder, or its name on the Hugging Face hub; from scratch when ``None``."""

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
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
        base: str | None = options.base_model
        if base and Path(base).is_dir():
            base = str(Path(base).resolve())
        return cls(data=options.data and options.data.resolve(), base_model=base)

    def checkpoint(self) -> Checkpoint | None:
        """The checkpoint to start from; downloads it where that is needed."""
        return None if self.base_model is None else resolve(self.base_model)

    def network(self, parameters: "Parameters", label_count: int) -> "Network":
        """The network before the training."""
        from service.lifecycle.start import read_longest  # noqa: PLC0415 - as the next
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
        read_longest(begun, checkpoint, parameters, label_count)
        return begun


def resolve(name: str) -> Checkpoint:
    """The checkpoint in the folder *name*, or on the hub as *name*, perhaps with ``@REVISION``."""
    folder = Path(name)
    if not folder.is_dir():
        folder = _download(name)
    for what, patterns in _NEEDED.items():
        if not any(path for pattern in patterns for path in folder.glob(pattern)):
            raise OwnerError(
                f'The base model is "{name}", which has no {what}. Save it as one folder with '
                "save_pretrained() of both its model and its fast tokenizer."
            )
    # only: pytorch
    for path in folder.glob("pytorch_model*.bin"):
        is_pickle(path)
    # end
    return Checkpoint(
        folder,
        _read(folder / "config.json"),
        _read(folder / "tokenizer_config.json"),
        _tokenizer(folder),
    )


def _tokenizer(folder: Path) -> bytes:
    path = folder / "tokenizer.json"
    try:
        # only: pytorch
        if not path.is_file():
            from transformers import AutoTokenizer  # noqa: PLC0415 - only older folders need it

            slow: Any = AutoTokenizer
            return str(slow.from_pretrained(folder).backend_tokenizer.to_str()).encode()
        # end
        Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001  # the libraries raise no other kind
        named = path if path.is_file() else folder
        raise OwnerError(f'"{named}" is no tokenizer: {error}. Save it again.') from None
    return path.read_bytes()


def _download(name: str) -> Path:
    repository, _, revision = name.partition("@")
    try:
        get = partial(snapshot_download, repository, revision=revision or None)
        folder = Path(get(allow_patterns=_FILES))
        # only: pytorch
        if not any(folder.glob("*.safetensors")):
            get(allow_patterns=["pytorch_model*.bin"])
        # end
    except Exception as error:  # noqa: BLE001  # the hub's client raises many kinds
        raise OwnerError(
            f'The base model is "{name}", which is no folder here, and cannot be had from the '
            f"Hugging Face hub either. {type(error).__name__}: {str(error).splitlines()[0]}"
        ) from None
    return folder


def _read(path: Path) -> dict[str, Any]:
    try:
        return _OBJECT.validate_json(path.read_bytes()) if path.is_file() else {}
    except ValidationError as error:
        raise OwnerError(f'"{path}" is not a JSON object: {first_fault(error)}.') from None
