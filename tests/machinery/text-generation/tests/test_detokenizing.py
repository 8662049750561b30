"""Tokens -> text, piece by piece: nothing is lost, and no character is cut."""

from collections.abc import Sequence

import pytest
import samples
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models

from service.texts import Detokenizer, StopStrings

TEXTS = [
    "plain",
    "Grüße aus 東京",
    "👋🏽",  # two characters of four bytes each
    "👨‍👩‍👧‍👦 familie",  # seven, joined
    "🇩🇪🇫🇷",
    "e\u0301 a\u0308\u0323",  # combining marks
    "नमस्ते",
    "\u202eright to left\u202c",
    "a\u2028b\x85c\n\r\td",
    "\ufffd really \ufffd a replacement",
    "𝄞" * 20,
]


def byte_level(*longer: bytes) -> Tokenizer:
    """A token a byte, the way that most models have it, and *longer* ones behind them."""
    letters = {byte: letter for letter, byte in zip(_LETTERS, _BYTES, strict=True)}
    pieces = [bytes([byte]) for byte in range(256)] + list(longer)
    vocabulary = {"".join(letters[byte] for byte in piece): n for n, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


_PRINTED = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_BYTES = [*_PRINTED, *(byte for byte in range(256) if byte not in _PRINTED)]
_LETTERS = [*map(chr, _PRINTED), *(chr(0x100 + n) for n in range(256 - len(_PRINTED)))]
"""How such vocabularies write each byte: GPT-2's ``bytes_to_unicode``."""
BYTES = byte_level()


def pieces_of(
    tokenizer: Tokenizer, tokens: Sequence[int], context: Sequence[int] = ()
) -> list[str]:
    """What is given for each token."""
    detokenizer = Detokenizer(tokenizer, context)
    return [*(detokenizer.push(token) for token in tokens), detokenizer.finish()]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_comes_out_whole_and_each_character_at_its_last_byte(text: str) -> None:
    pieces = pieces_of(BYTES, text.encode())

    assert "".join(pieces) == text
    for count in range(len(pieces) - 1):
        if "\ufffd" not in text:
            read = text.encode()[: count + 1].decode(errors="ignore")
            assert "".join(pieces[: count + 1]) == read


@pytest.mark.parametrize("text", TEXTS)
def test_tokens_that_cut_characters_come_out_whole_too(text: str) -> None:
    tokens = samples.TOKENS.encode(text).ids

    assert "".join(pieces_of(samples.TOKENS, tokens)) == text


@given(st.binary(max_size=60) | st.text().map(str.encode))
def test_any_bytes_come_out_as_they_are_decoded_at_once_but_unreadable_ones_at_the_end(
    tokens: bytes,
) -> None:
    text = "".join(pieces_of(BYTES, tokens))

    assert text == tokens.decode(errors="replace").rstrip("\ufffd")


@given(longer=st.sets(st.binary(min_size=2, max_size=6), min_size=1, max_size=8), data=st.data())
def test_tokens_of_several_bytes_or_none_come_out_as_they_are_decoded_at_once(
    longer: set[bytes], data: st.DataObject
) -> None:
    tokenizer = byte_level(*longer)
    tokenizer.add_special_tokens(["<s>"])
    most = tokenizer.get_vocab_size() - 1
    tokens = data.draw(st.lists(st.integers(0, most) | st.integers(255, most), max_size=30))

    text = "".join(pieces_of(tokenizer, tokens))

    assert text == tokenizer.decode(tokens).rstrip("\ufffd")


@given(garbage=st.binary(min_size=1, max_size=12))
def test_a_text_behind_garbage_is_not_lost(garbage: bytes) -> None:
    text = "".join(pieces_of(BYTES, garbage + b" behind " + "👋.".encode()))

    assert text.endswith(" behind 👋.")


def test_garbage_does_not_hold_what_came_before_it_back() -> None:
    assert pieces_of(BYTES, b"a\xff\xffb") == ["a", "", "", "\ufffd\ufffdb", ""]


def test_half_a_character_at_the_end_is_left_out() -> None:
    assert "".join(pieces_of(BYTES, "so 👋".encode()[:-1])) == "so "


def test_special_tokens_in_between_do_not_glue_words_together() -> None:
    tokenizer = sentencepiece(["▁Hi", "▁there", "<s>"])
    tokenizer.add_special_tokens(["<s>"])

    assert "".join(pieces_of(tokenizer, [0, 2, 2, 1])) == "Hi there"


def test_a_text_that_goes_on_keeps_the_space_that_it_begins_with() -> None:
    tokenizer = sentencepiece(["▁Once", "▁upon", "▁a", "▁time", "ly"])

    assert "".join(pieces_of(tokenizer, [3], context=[0, 1, 2])) == " time"
    assert "".join(pieces_of(tokenizer, [4], context=[0, 1, 2])) == "ly"
    assert "".join(pieces_of(tokenizer, [3])) == "time"


@given(context=st.binary(max_size=8))
def test_nothing_of_the_context_is_given_as_text(context: bytes) -> None:
    assert pieces_of(BYTES, b"xy", context) == ["x", "y", ""]


@given(st.text(alphabet="a▁é€👋 ", max_size=12))
def test_bytes_as_a_last_resort_come_out_whole(text: str) -> None:
    """As in vocabularies that have no token for most characters, but one for each byte."""
    tokens = [
        token
        for character in text.replace(" ", "▁")
        for token in (
            ["a▁".index(character)]
            if character in "a▁"
            else [2 + byte for byte in character.encode()]
        )
    ]

    assert "".join(pieces_of(LAST_RESORT, tokens)) == LAST_RESORT.decode(tokens)


@given(st.lists(st.integers(0, 257), max_size=12))
def test_garbage_as_a_last_resort_does_not_lose_a_text_behind_it(tokens: list[int]) -> None:
    assert "".join(pieces_of(LAST_RESORT, [*tokens, 0, 1, 0])).endswith("a a")


def test_garbage_that_makes_what_was_given_unreadable_is_given_alone() -> None:
    """Such decoders take all bytes in a row for unreadable because of one; DecodeStream raises."""
    garbage = [2 + byte for byte in b"\xc3\xa9\xff"]

    assert LAST_RESORT.decode([*garbage, 0]) == "\ufffd\ufffd\ufffda"
    assert pieces_of(LAST_RESORT, [*garbage, 0, 0]) == ["", "é", "", "\ufffda", "a", ""]


def sentencepiece(vocabulary: list[str]) -> Tokenizer:
    """A tokenizer whose decoder leaves out the space that a text begins with."""
    numbers = {piece: number for number, piece in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.BPE(vocab=numbers, merges=[], byte_fallback=True))
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return tokenizer


LAST_RESORT = sentencepiece(["a", "▁", *(f"<0x{byte:02X}>" for byte in range(256))])


def stopped(strings: Sequence[str], pieces: Sequence[str]) -> tuple[list[str], bool]:
    """What is given for each of *pieces* and at the end, and whether a stop string came."""
    stop = StopStrings(strings)
    return [*(stop.push(piece) for piece in pieces), stop.finish()], stop.is_reached


def test_a_text_ends_before_a_stop_string() -> None:
    assert stopped(["###"], ["one ", "two### three", " four"]) == (["one ", "two", "", ""], True)


def test_a_stop_string_may_come_in_pieces() -> None:
    assert stopped(["###"], ["a", "#", "#", "#"]) == (["a", "", "", "", ""], True)


def test_what_only_looks_like_the_beginning_of_a_stop_string_comes_late() -> None:
    assert stopped(["###"], ["a#", "#b"]) == (["a", "##b", ""], False)
    assert stopped(["###"], ["a", "##"]) == (["a", "", "##"], False)
    assert stopped(["aab"], ["aa", "aa", "b"]) == (["", "aa", "", ""], True)


def test_the_stop_string_that_is_complete_first_ends_the_text() -> None:
    assert stopped(["abcd", "bc"], ["abcd"]) == (["a", ""], True)
    assert stopped(["abcd", "bc"], list("abcd")) == (["", "", "a", "", ""], True)


def test_of_stop_strings_that_are_complete_together_the_longest_counts() -> None:
    assert stopped(["c", "bc"], ["abc"]) == (["a", ""], True)
    assert stopped(["c", "bc"], list("abc")) == (["a", "", "", ""], True)


@given(
    strings=st.lists(st.text("ab", min_size=1, max_size=4), max_size=4),
    pieces=st.lists(st.text("ab", max_size=5), max_size=8),
)
def test_where_a_text_stops_does_not_depend_on_how_it_is_cut(
    strings: list[str], pieces: list[str]
) -> None:
    text = "".join(pieces)
    ends = [
        (at, at - len(string))
        for at in range(len(text) + 1)
        for string in strings
        if text[:at].endswith(string)
    ]
    expected = text[: min(ends)[1]] if ends else text

    given_pieces, is_reached = stopped(strings, pieces)
    assert "".join(given_pieces) == expected
    assert is_reached == bool(ends)
