"""Texts become arrays of equal length, and tokens that know where in the text they stand."""

import numpy as np
import pytest
from tokenizers import Tokenizer

from service.encoding import Encoder, bucket
from service.errors import BadValue
from service.lifecycle.start import SPECIAL_TOKENS, learn_tokenizer
from service.manifest import Arrays

TEXTS = ["the cat sat on the mat", "a dog and a cat", "Ålesund café"]


@pytest.fixture
def tokenizer() -> Tokenizer:
    learnt = learn_tokenizer(TEXTS, vocabulary_size=100, lowercase=False)
    return Tokenizer.from_str(learnt.decode())


@pytest.fixture
def encoder(tokenizer: Tokenizer) -> Encoder:
    return Encoder(tokenizer, 40, "truncate")


@pytest.mark.parametrize(
    ("length", "padded"), [(1, 16), (16, 16), (17, 24), (65, 96), (512, 512), (513, 768)]
)
def test_a_length_is_rounded_up_to_a_bucket(length: int, padded: int) -> None:
    assert bucket(length) == padded


def test_what_looks_like_a_special_token_is_text(encoder: Encoder, tokenizer: Tokenizer) -> None:
    encoding = encoder.encode("the [SEP] cat[MASK] [CLS][PAD]").encoding

    special = {tokenizer.token_to_id(name) for name in SPECIAL_TOKENS} - {1}  # [UNK]
    assert [token in special for token in encoding.ids] == [
        True,
        *[False] * (len(encoding) - 2),
        True,
    ]
    assert len(encoding) > 10


def test_a_text_is_padded_to_its_bucket_and_the_mask_says_where_it_ends(encoder: Encoder) -> None:
    arrays = encoder.encode("the cat").arrays

    assert arrays["input_ids"].shape == arrays["attention_mask"].shape == (16,)
    assert arrays["input_ids"].dtype == arrays["attention_mask"].dtype == np.int64
    assert arrays["attention_mask"].tolist() == [1] * 4 + [0] * 12  # [CLS] the cat [SEP]
    assert arrays["input_ids"][4:].tolist() == [0] * 12


def test_no_text_is_padded_to_more_than_the_model_reads(encoder: Encoder) -> None:
    assert encoder.encode("cat " * 35).arrays["input_ids"].shape == (40,)


def test_a_batch_is_padded_to_its_longest_text(encoder: Encoder) -> None:
    ids = [encoder.encode(text).encoding.ids for text in ("a", "cat " * 20)]

    arrays = encoder.pad(ids)

    assert arrays["input_ids"].shape == (2, 24)
    assert arrays["attention_mask"].sum(axis=1).tolist() == [3, 22]


@pytest.mark.parametrize("text", ["🙂 cat", "e\u0301 cat", "a\r\ncat", "\u202bcat", "日本 cat"])
def test_a_token_knows_its_place_in_the_callers_own_text(encoder: Encoder, text: str) -> None:
    encoding = encoder.encode(text).encoding

    start, end = encoding.offsets[encoding.tokens.index("cat")]
    assert text[start:end] == "cat"


def test_the_arrays_of_a_text_pass(encoder: Encoder) -> None:
    encoder.check(encoder.encode("the cat").arrays)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"input_ids": np.full(16, -1)}, "input_ids: 0 to "),
        ({"input_ids": np.full(16, 10**9)}, "input_ids: 0 to "),
        ({"input_ids": np.zeros(15, np.int64)}, "differ in length"),
        ({"attention_mask": np.zeros(16, np.int64)}, "attention_mask: ones"),
        ({"attention_mask": np.full(16, 2)}, "attention_mask: ones"),
        ({"attention_mask": np.arange(16) % 2}, "attention_mask: ones"),
        (
            {"input_ids": np.ones(41, np.int64), "attention_mask": np.ones(41, np.int64)},
            "41 tokens; 1 to 40",
        ),
    ],
)
def test_arrays_that_no_text_gives_are_refused(
    encoder: Encoder, change: Arrays, reason: str
) -> None:
    with pytest.raises(BadValue, match=reason):
        encoder.check({**encoder.encode("the cat").arrays, **change})


def test_the_same_texts_give_the_same_vocabulary() -> None:
    """Twice in one process; the order of the texts counts no more than it must."""
    once, again = (learn_tokenizer(TEXTS, vocabulary_size=60, lowercase=True) for _ in range(2))

    assert once == again


def test_lower_case_and_accents_are_kept_or_not(tokenizer: Tokenizer) -> None:
    lower = Tokenizer.from_str(learn_tokenizer(TEXTS, vocabulary_size=100, lowercase=True).decode())

    assert lower.encode("ALESUND Café").tokens == ["[CLS]", "alesund", "cafe", "[SEP]"]
    assert tokenizer.encode("Ålesund").tokens == ["[CLS]", "Ålesund", "[SEP]"]
