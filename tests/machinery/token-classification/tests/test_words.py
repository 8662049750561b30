"""Tokens become words, whatever the tokenizer takes for one."""

from collections.abc import Callable

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from tokenizers.trainers import BpeTrainer

from model.preprocess import place, words_of
from service.encoding import Encoder

TEXT = "Ada London lives in New York."
PIECES = ["▁", "▁東", "京", "都", "に", "住む", "Ada", ",", "London", "런던", "에서"]


def byte_level() -> Tokenizer:
    """As GPT-2 and RoBERTa have it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = BpeTrainer(
        vocab_size=400, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator([TEXT] * 3, trainer)
    return tokenizer


def metaspace() -> Tokenizer:
    """As XLM-RoBERTa has it."""
    pieces = [("<unk>", 0.0), *((piece, -1.0) for piece in PIECES)]
    tokenizer = Tokenizer(models.Unigram(pieces, 0, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return tokenizer


def no_words() -> Tokenizer:
    """As Llama has it: the whole text is one word."""
    tokenizer = metaspace()
    tokenizer.pre_tokenizer = None
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    return tokenizer


def words(tokenizer: Tokenizer, text: str) -> list[str]:
    prepared = Encoder(tokenizer, 64, "refuse").encode(text)
    places = [place(text, word.start, word.end) for word in words_of(prepared)]
    return [text[start:end] for start, end in places]


@pytest.mark.parametrize("make", [byte_level, metaspace, no_words])
@pytest.mark.parametrize("text", ["London ", "Ada  London", "  Ada \t\n ", "\u00a0London\u3000 "])
def test_white_space_is_no_word(make: Callable[[], Tokenizer], text: str) -> None:
    assert words(make(), text) == text.split()


@pytest.mark.parametrize("make", [byte_level, metaspace, no_words])
def test_a_text_without_spaces_has_several_words(make: Callable[[], Tokenizer]) -> None:
    found = words(make(), "東京都に住むAda,London")

    assert "".join(found) == "東京都に住むAda,London"
    assert found[-3:] == ["Ada", ",", "London"]
    assert {"東", "京", "都", "に"} < set(found)


def test_a_particle_is_no_part_of_a_name() -> None:
    assert words(metaspace(), "런던에서") == ["런던", "에서"]


def test_a_character_of_several_tokens_is_one_word() -> None:
    assert words(byte_level(), "東🙂") == ["東", "🙂"]


def test_pieces_of_one_word_are_one_word() -> None:
    assert len(byte_level().encode("Londinium").tokens) > 1
    assert words(byte_level(), "Londinium Adam") == ["Londinium", "Adam"]
