"""What is accepted as a text, and what is refused with a reason."""

import pytest

from service.errors import BadValue
from service.text import read_text

TEXTS = ["a", " a ", "🙂", "e\u0301", "a\r\nb", "\u202b\u05d0\u05d1", "x" * 50, "\ufffd", "\u0001a"]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_taken_as_it_is(text: str) -> None:
    assert read_text(text, max_characters=50) == text
    assert read_text(text.encode(), max_characters=50) == text


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "empty"),
        (b"", "empty"),
        (" \t\r\n\u3000", "empty"),
        ("x" * 51, "51 characters; at most 50"),
        ("ab\0", "character 2 is NUL"),
        ("a\ud800", "character 1 is half of a surrogate pair"),
        (b"a\xff", "not UTF-8: byte 1"),
        ("a".encode("utf-16"), "not UTF-8: byte 0"),
    ],
)
def test_what_is_no_text_is_refused_with_a_reason(value: bytes | str, reason: str) -> None:
    with pytest.raises(BadValue, match=reason):
        read_text(value, max_characters=50)
