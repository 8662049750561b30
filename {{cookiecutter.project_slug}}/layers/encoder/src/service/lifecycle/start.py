"""What an encoder starts from: its tokenizer, and how its network is configured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer
from tokenizers.implementations.bert_wordpiece import BertWordPieceTokenizer

from service import manifest as manifests
from service import owner
from service.encoding import TOKENIZER, Encoder, bucket
from service.errors import OwnerError
from service.lifecycle.source import Checkpoint
from service.manifest import Arrays
from service.owner import Parameters
from service.training import Examples

if TYPE_CHECKING:
    from service.owner import Network

MAX_LENGTH = 512
"""Most tokens of one text, where a base model reads no fewer."""

SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@dataclass(frozen=True)
class Start:
    """Tokenizer, the content of a ``tokenizer.json``, and parameters of the task."""

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
        tokenizer = learn_tokenizer(texts, vocabulary_size=vocabulary_size, lowercase=lowercase)
        size = Tokenizer.from_str(tokenizer.decode()).get_vocab_size()
        parameters = Parameters(max_length=MAX_LENGTH, network=owner.network.configure(None, size))
    else:
        tokenizer = checkpoint.tokenizer
        parameters = Parameters(
            max_length=min(MAX_LENGTH, checkpoint.max_length),
            network=owner.network.configure(checkpoint.folder, 0),
        )
    return Start(tokenizer, parameters)


def version_start(folder: Path) -> Start:
    """What the model version in *folder* started from."""
    parameters = Parameters.model_validate(manifests.read(folder).parameters)
    return Start((folder / TOKENIZER).read_bytes(), parameters)


def read_longest(
    network: "Network", checkpoint: Checkpoint, parameters: Parameters, label_count: int
) -> None:
    """Let *network* read one text of the greatest length; ``OwnerError`` where it cannot."""
    from service.lifecycle import engine  # noqa: PLC0415 - slow to import

    length = parameters.max_length
    encoder = Start(checkpoint.tokenizer, parameters).encoder()
    longest = encoder.pad([encoder.encode("a " * length).encoding.ids])
    try:
        engine.predict(network, parameters.signature(label_count), longest)
    except Exception as error:
        raise OwnerError(
            f"The base model cannot read a text of {length} tokens, though its config.json says "
            f'so. Set "model_max_length" in its tokenizer_config.json to what it can read. '
            f"{type(error).__name__}: {str(error).splitlines()[0]}"
        ) from error


def make_batch(
    examples: Examples, chosen: npt.NDArray[np.intp], _random: np.random.Generator
) -> tuple[Arrays, npt.NDArray[Any]]:
    """One batch of a training, no longer than its texts.

    Returns:
        ``{"input_ids": (N, L) int64, "attention_mask": (N, L) int64}`` and the targets, L the
        shortest bucket that the batch fits in.
    """
    length = bucket(examples.inputs["attention_mask"][chosen].sum(axis=1).max())
    inputs = {name: array[chosen, :length] for name, array in examples.inputs.items()}
    targets = examples.targets[chosen]
    return inputs, targets if targets.ndim == 1 else targets[:, :length]


def learn_tokenizer(texts: Sequence[str], *, vocabulary_size: int, lowercase: bool) -> bytes:
    """Learn WordPiece as BERT has it; the same texts give the same ``tokenizer.json``.

    Args:
        texts: to learn from.
        vocabulary_size: most words and pieces of words.
        lowercase: whether upper and lower case, and accents, are the same.
    """
    learner = BertWordPieceTokenizer(lowercase=lowercase)
    # Named beforehand: the trainer numbers single letters inside words in an order that changes
    # from run to run, and breaks ties by their numbers.
    words = " ".join(learner.normalize(text) for text in texts).split()
    letters = sorted(set("".join(words)))
    learner.train_from_iterator(
        iter(texts),
        vocab_size=vocabulary_size,
        min_frequency=0,
        limit_alphabet=len(letters),
        special_tokens=[*SPECIAL_TOKENS, *(f"##{letter}" for letter in letters)],
        show_progress=False,
    )
    learnt: str = BertWordPieceTokenizer(learner.get_vocab(), lowercase=lowercase).to_str()
    return learnt.encode()
