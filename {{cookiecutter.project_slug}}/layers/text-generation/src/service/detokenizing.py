"""Tokens -> text, piece by piece. Knows nothing of models or HTTP."""

from collections.abc import Callable, Sequence

_UNREADABLE = "\ufffd"
"""What a decoder gives for bytes that are no character, or not yet one."""
_MOST_UNREADABLE = 3
"""Most bytes of a character in UTF-8 that are there while the last is missing."""


class Detokenizer:
    """Turns tokens into text as they come; a character appears when all its bytes are there.

    What a token adds can depend on those before it: a character is cut between two tokens, or the
    space that a text would begin with is left out. So some tokens are decoded again with those that
    follow. Bytes that never become a character are given as the decoder gives them, but for those
    at the end of a text.

    Args:
        decode: tokens to text, without special tokens.
        context: tokens that the text goes on from; a few of the last will do.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], context: Sequence[int] = ()) -> None:
        self._decode = decode
        self._context = list(context)
        self._context_text = decode(self._context)
        self._pending: list[int] = []
        self._given = 0  # characters of the pending tokens

    def push(self, token: int) -> str:
        """The text that *token* completes; often nothing."""
        self._pending.append(token)
        text = self._pending_text()
        end = _readable_end(text)
        piece, self._given = text[self._given : end], max(self._given, end)
        if text and end == len(text):
            self._context, self._context_text = self._pending, self._decode(self._pending)
            self._pending, self._given = [], 0
        return piece

    def _pending_text(self) -> str:
        text = self._decode(self._context + self._pending)
        if text.startswith(self._context_text):
            return text[len(self._context_text) :]
        # A decoder may call all bytes in a row unreadable because of the last.
        return self._decode(self._pending)


def _readable_end(text: str) -> int:
    """Where the part of *text* ends that no more bytes can change."""
    end = len(text)
    while end > max(0, len(text) - _MOST_UNREADABLE) and text[end - 1] == _UNREADABLE:
        end -= 1
    return end


class StopStrings:
    """Ends a text before the string of several that is complete in it first.

    Args:
        strings: any of them ends the text, and is no part of it.
    """

    def __init__(self, strings: Sequence[str]) -> None:
        self._strings = [string for string in strings if string]
        self._held = ""
        self.is_reached = False

    def push(self, piece: str) -> str:
        """What of the text is sure not to be the beginning of a stop string."""
        if self.is_reached:
            return ""
        text = self._held + piece
        found = [
            (start + len(string), start)
            for string in self._strings
            if (start := text.find(string)) >= 0
        ]
        if found:
            _, end = min(found)
            self.is_reached = True
        else:
            end = len(text) - self._longest_beginning(text)
        self._held = text[end:]
        return text[:end]

    def finish(self) -> str:
        """What was held back, since nothing follows."""
        held, self._held = self._held, ""
        return "" if self.is_reached else held

    def _longest_beginning(self, text: str) -> int:
        """How many of the last characters of *text* a stop string may begin with."""
        longest = max(map(len, self._strings), default=1) - 1
        for length in range(min(longest, len(text)), 0, -1):
            if any(string.startswith(text[-length:]) for string in self._strings):
                return length
        return 0
