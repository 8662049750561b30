"""Tokens -> text, piece by piece: nothing is lost, and no character is cut."""

from collections.abc import Callable, Sequence

import pytest
import samples
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models

from service.detokenizing import Detokenizer, StopStrings

Decode = Callable[[Sequence[int]], str]

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


def bytes_to_text(tokens: Sequence[int]) -> str:
    """A token a byte, the way that most models have it; what is no character is replaced."""
    return bytes(tokens).decode(errors="replace")


def pieces_of(decode: Decode, tokens: Sequence[int], context: Sequence[int] = ()) -> list[str]:
    """What is given for each token."""
    detokenizer = Detokenizer(decode, context)
    return [detokenizer.push(token) for token in tokens]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_comes_out_whole_and_each_character_at_its_last_byte(text: str) -> None:
    pieces = pieces_of(bytes_to_text, text.encode())

    assert "".join(pieces) == text
    whole_after = 0
    for count, _ in enumerate(pieces, 1):
        whole_after += len(pieces[count - 1])
        if "\ufffd" not in text:
            assert text[:whole_after] == text.encode()[:count].decode(errors="ignore")


@pytest.mark.parametrize("text", TEXTS)
def test_tokens_that_cut_characters_come_out_whole_too(text: str) -> None:
    tokens = samples.TOKENS.encode(text).ids

    assert "".join(pieces_of(samples.TOKENS.decode, tokens)) == text


@given(st.text())
def test_any_text_comes_out_whole(text: str) -> None:
    pieces = "".join(pieces_of(bytes_to_text, text.encode()))

    assert pieces == text or text.removeprefix(pieces) in {"\ufffd" * n for n in (1, 2, 3)}


@given(st.binary(max_size=60))
def test_any_bytes_come_out_as_they_are_decoded_at_once(tokens: bytes) -> None:
    whole = bytes_to_text(tokens)
    text = "".join(pieces_of(bytes_to_text, tokens))

    assert whole.startswith(text)
    assert whole[len(text) :] in {"", "\ufffd", "\ufffd\ufffd", "\ufffd\ufffd\ufffd"}
    if not whole.endswith("\ufffd"):
        assert text == whole


@given(
    vocabulary=st.lists(st.binary(min_size=0, max_size=6), min_size=1, max_size=8),
    data=st.data(),
)
def test_tokens_of_several_bytes_or_none_come_out_as_they_are_decoded_at_once(
    vocabulary: list[bytes], data: st.DataObject
) -> None:
    def decode(tokens: Sequence[int]) -> str:
        return b"".join(vocabulary[token] for token in tokens).decode(errors="replace")

    tokens = data.draw(st.lists(st.integers(0, len(vocabulary) - 1), max_size=30))
    whole, text = decode(tokens), "".join(pieces_of(decode, tokens))

    assert whole.startswith(text)
    assert set(whole[len(text) :]) <= {"\ufffd"}
    assert len(whole) - len(text) <= 3


@given(garbage=st.binary(min_size=1, max_size=12))
def test_a_text_behind_garbage_is_not_lost(garbage: bytes) -> None:
    text = "".join(pieces_of(bytes_to_text, garbage + b" behind " + "👋.".encode()))

    assert text.endswith(" behind 👋.")


def test_garbage_does_not_hold_what_came_before_it_back() -> None:
    assert pieces_of(bytes_to_text, b"a\xff\xffb") == ["a", "", "", "\ufffd\ufffdb"]
    pieces = pieces_of(bytes_to_text, b"\xff" * 10)
    assert "".join(pieces) == "\ufffd" * 7


def test_half_a_character_at_the_end_is_left_out() -> None:
    assert "".join(pieces_of(bytes_to_text, "so 👋".encode()[:-1])) == "so "


def test_special_tokens_in_between_do_not_glue_words_together() -> None:
    tokenizer = sentencepiece(["▁Hi", "▁there", "<s>"])
    tokenizer.add_special_tokens(["<s>"])

    assert "".join(pieces_of(tokenizer.decode, [0, 2, 2, 1])) == "Hi there"


def test_a_text_that_goes_on_keeps_the_space_that_it_begins_with() -> None:
    tokenizer = sentencepiece(["▁Once", "▁upon", "▁a", "▁time", "ly"])

    assert "".join(pieces_of(tokenizer.decode, [3], context=[0, 1, 2])) == " time"
    assert "".join(pieces_of(tokenizer.decode, [4], context=[0, 1, 2])) == "ly"
    assert "".join(pieces_of(tokenizer.decode, [3])) == "time"


@given(st.text(alphabet="a▁é€👋 ", max_size=12))
def test_bytes_as_a_last_resort_come_out_whole(text: str) -> None:
    """As in vocabularies that have no token for most characters, but one for each byte."""
    tokenizer = sentencepiece(["a", "▁", *(f"<0x{byte:02X}>" for byte in range(256))])
    tokens = [
        token
        for character in text.replace(" ", "▁")
        for token in (
            ["a▁".index(character)]
            if character in "a▁"
            else [2 + byte for byte in character.encode()]
        )
    ]

    assert "".join(pieces_of(tokenizer.decode, tokens)) == tokenizer.decode(tokens)


@given(st.lists(st.integers(0, 257), max_size=12))
def test_garbage_as_a_last_resort_does_not_lose_a_text_behind_it(tokens: list[int]) -> None:
    tokenizer = sentencepiece(["a", "▁", *(f"<0x{byte:02X}>" for byte in range(256))])

    assert "".join(pieces_of(tokenizer.decode, [*tokens, 0, 1, 0])).endswith("a a")


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
