"""What an encoder starts from: its tokenizer, and how its network is configured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from service import manifest as manifests
from service.encoding import TOKENIZER, Encoder
from service.lifecycle import wordpiece
from service.lifecycle.checkpoint import Checkpoint
from service.owner import Parameters, network

MAX_LENGTH = 512
"""Most tokens of one text, where a base model reads no fewer."""


@dataclass(frozen=True)
class Start:
    """Tokenizer and configuration.

    Args:
        tokenizer: the content of a ``tokenizer.json``.
        parameters: of the task.
    """

    tokenizer: bytes
    parameters: Parameters

    @property
    def assets(self) -> dict[str, bytes]:
        """The tokenizer, as a version has it."""
        return {TOKENIZER: self.tokenizer}

    def encoder(self) -> Encoder:
        """What makes arrays from texts; the end of a long one is left out."""
        tokenizer = Tokenizer.from_str(self.tokenizer.decode())
        return Encoder(tokenizer, self.parameters.max_length, "truncate")


def start(
    checkpoint: Checkpoint | None, texts: Sequence[str], *, vocabulary_size: int, lowercase: bool
) -> Start:
    """What *checkpoint* has, or what can be learnt from *texts*.

    Args:
        checkpoint: the base model, where there is one.
        texts: the training's.
        vocabulary_size: most words and pieces of words in the starter's tokenizer.
        lowercase: whether the starter's tokenizer takes upper and lower case for the same.
    """
    if checkpoint is None:
        tokenizer = wordpiece.learn(texts, vocabulary_size=vocabulary_size, lowercase=lowercase)
        size = Tokenizer.from_str(tokenizer.decode()).get_vocab_size()
        parameters = Parameters(max_length=MAX_LENGTH, network=network.configure(None, size))
    else:
        tokenizer = checkpoint.tokenizer
        parameters = Parameters(
            max_length=min(MAX_LENGTH, checkpoint.max_length),
            network=network.configure(checkpoint.folder, 0),
        )
    return Start(tokenizer, parameters)


def version_start(folder: Path) -> Start:
    """What the model version in *folder* started from."""
    parameters = Parameters.model_validate(manifests.read(folder).parameters)
    return Start((folder / TOKENIZER).read_bytes(), parameters)
