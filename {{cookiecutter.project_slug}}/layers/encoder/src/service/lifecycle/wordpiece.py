"""The starter's tokenizer, learnt from its own texts: WordPiece, as BERT has it."""

from collections.abc import Sequence

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import WordPieceTrainer

SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
UNKNOWN_TOKEN = SPECIAL_TOKENS[1]


def learn(texts: Sequence[str], *, vocabulary_size: int, lowercase: bool) -> bytes:
    """Learn a vocabulary; the same texts give the same one.

    Args:
        texts: to learn from.
        vocabulary_size: most words and pieces of words.
        lowercase: whether upper and lower case, and accents, are the same.

    Returns:
        The content of a ``tokenizer.json``.
    """
    learner = _tokenizer(models.WordPiece(unk_token=UNKNOWN_TOKEN), lowercase=lowercase)
    # Named beforehand: the trainer numbers single letters inside words in an order that changes
    # from run to run, and breaks ties by their numbers.
    letters = [f"##{letter}" for letter in sorted(_letters(learner, texts))]
    trainer = WordPieceTrainer(
        vocab_size=vocabulary_size,
        special_tokens=[*SPECIAL_TOKENS, *letters],
        show_progress=False,
    )
    learner.train_from_iterator(texts, trainer)
    vocabulary = learner.get_vocab()

    tokenizer = _tokenizer(
        models.WordPiece(vocab=vocabulary, unk_token=UNKNOWN_TOKEN), lowercase=lowercase
    )
    tokenizer.add_special_tokens(SPECIAL_TOKENS)
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")],
    )
    return tokenizer.to_str().encode()


def _tokenizer(model: models.WordPiece, *, lowercase: bool) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _letters(tokenizer: Tokenizer, texts: Sequence[str]) -> set[str]:
    words = (
        word
        for text in texts
        for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(
            tokenizer.normalizer.normalize_str(text)
        )
    )
    return set("".join(words))
