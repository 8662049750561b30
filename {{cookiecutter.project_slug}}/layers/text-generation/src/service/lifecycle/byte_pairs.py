"""The starter's tokenizer, learnt from its own texts: byte pairs, as GPT-2 has them.

Any text in any language can be written in it.
"""

from collections.abc import Sequence

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from tokenizers.trainers import BpeTrainer


def learn(texts: Sequence[str], *, vocabulary_size: int, special_tokens: Sequence[str]) -> bytes:
    """Learn a vocabulary; the same texts give the same one.

    Args:
        texts: to learn from.
        vocabulary_size: most tokens, the 256 bytes and the special ones included.
        special_tokens: that texts are put together with; their ids count from 0.

    Returns:
        The content of a ``tokenizer.json``.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=list(special_tokens),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer.to_str().encode()
