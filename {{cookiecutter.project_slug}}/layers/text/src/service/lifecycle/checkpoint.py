"""A Hugging Face checkpoint: config.json, weights as safetensors, tokenizer.json.

A folder, or a name on the hub, which is then downloaded to the hub's own cache. Pickled weights
(``*.bin``) are never read: they can run code.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from tokenizers import Tokenizer

from service.errors import OwnerError

_FILES = ["*.json", "*.jinja", "*.safetensors"]

_LIKE_ROBERTA = re.compile("roberta|camembert|data2vec-text|ibert|longformer|luke|mpnet|xmod")
"""Families whose positions are counted from the id of the padding token on, as RoBERTa's."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was found whole.

    Args:
        folder: where it lies.
        config: its ``config.json``.
        tokenizer_config: its ``tokenizer_config.json``; empty where there is none.
    """

    folder: Path
    config: dict[str, Any]
    tokenizer_config: dict[str, Any]

    @property
    def tokenizer(self) -> bytes:
        """``tokenizer.json``, to the byte."""
        return (self.folder / "tokenizer.json").read_bytes()

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
        """The labels of a checkpoint that was trained for a task already.

        Args:
            head: how the names of its classes end, as in ``ForSequenceClassification``.

        Returns:
            ``None`` when it has no such head.
        """
        names = self.config.get("architectures") or []
        if not any(name.endswith(head) for name in names):
            return None
        id2label = self.config.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}
        return [label for _, label in sorted(id2label.items(), key=lambda pair: int(pair[0]))]


def resolve(name: str) -> Checkpoint:
    """The checkpoint called *name*.

    Args:
        name: a folder, or a name on the Hugging Face hub, with ``@REVISION`` where a certain one
            is wanted.

    Raises:
        OwnerError: it is neither, or lacks one of the files.
    """
    folder = Path(name)
    if not folder.is_dir():
        folder = _download(name)
    for pattern, what in (
        ("config.json", "config.json"),
        ("*.safetensors", "weights as *.safetensors"),
        ("tokenizer.json", "tokenizer.json"),
    ):
        if not any(folder.glob(pattern)):
            raise OwnerError(
                f'The base model is "{name}", which has no {what}. Save it as one folder with '
                "save_pretrained() of both its model and its fast tokenizer."
            )
    _refuse_broken_tokenizer(folder / "tokenizer.json")
    return Checkpoint(
        folder, _read(folder / "config.json"), _read(folder / "tokenizer_config.json")
    )


def _download(name: str) -> Path:
    repository, _, revision = name.partition("@")
    try:
        return Path(snapshot_download(repository, revision=revision or None, allow_patterns=_FILES))
    except Exception as error:  # noqa: BLE001  # the hub's client raises many kinds
        raise OwnerError(
            f'The base model is "{name}", which is no folder here, and cannot be had from the '
            f"Hugging Face hub either. {type(error).__name__}: {str(error).splitlines()[0]}"
        ) from None


def _refuse_broken_tokenizer(path: Path) -> None:
    try:
        Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001  # the library raises no other kind
        raise OwnerError(f'"{path}" is no tokenizer: {error}. Save it again.') from None


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise OwnerError(f'"{path}" is not JSON: {error}.') from None
    if not isinstance(content, dict):
        raise OwnerError(f'"{path}" is not a JSON object.')
    return content
