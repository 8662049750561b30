"""What is accepted as a text. Knows nothing of tokens or models."""

from typing import TypeAlias

from service.errors import BadValue, TooLong

Value: TypeAlias = bytes | str
"""A text, or the same in UTF-8."""


def read_text(value: Value, *, max_characters: int) -> str:
    """The text in *value*; ``BadValue`` where it is empty, ``TooLong``, or no text in UTF-8."""
    try:
        text = value.decode() if isinstance(value, bytes) else value
        text.encode()
    except UnicodeDecodeError as error:
        raise BadValue(f"not UTF-8: byte {error.start} cannot be read") from None
    except UnicodeEncodeError as error:
        raise BadValue(f"character {error.start} is half of a surrogate pair") from None
    if not text.strip():
        raise BadValue("the text is empty")
    if len(text) > max_characters:
        raise TooLong(f"{len(text)} characters; at most {max_characters} are accepted")
    if "\0" in text:
        raise BadValue(f"character {text.index(chr(0))} is NUL, which no text has")
    return text
