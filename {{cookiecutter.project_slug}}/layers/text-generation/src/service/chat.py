"""A conversation -> the text that a model was trained to continue, by the model's own template.

What looks like a special token in a message, such as the end of a turn, is text: only the template
writes special tokens.

Templates come with models, so they run in Jinja's sandbox. Their dialect is that of Hugging Face:
https://huggingface.co/docs/transformers/chat_templating_writing
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer, normalizers

_MARK = "\U0010ffff"
"""No character of any text. Inside of a special token it makes text of that."""


class Plain:
    """Texts in which nothing is a special token, for a tokenizer of :func:`read_tokenizer`.

    Args:
        tokenizer: whose special tokens they are.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        added = tokenizer.get_added_tokens_decoder().values()
        special = sorted((each.content for each in added if each.special), key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, special)) or "(?!)")

    def text(self, text: str) -> str:
        """*text*, with a mark in what would be special."""
        return self._special.sub(lambda found: f"{found[0][0]}{_MARK}{found[0][1:]}", text)

    def messages(self, messages: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
        """The same of each part of each message."""
        return [{name: self.text(part) for name, part in each.items()} for each in messages]


def read_tokenizer(content: str) -> Tokenizer:
    """The tokenizer of a ``tokenizer.json``, which passes over the marks of :class:`Plain`."""
    known = json.loads(content)
    for token in known["added_tokens"]:  # looked for before marks go, not after
        token["normalized"] = token["normalized"] and not token["special"]
    tokenizer = Tokenizer.from_str(json.dumps(known))
    steps = [normalizers.Replace(_MARK, ""), tokenizer.normalizer]
    tokenizer.normalizer = normalizers.Sequence([step for step in steps if step])
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


class ChatTemplate:
    """A model's chat template.

    Args:
        source: in Jinja.
        special_tokens: by the names that the template knows, as in ``eos_token``.
    """

    def __init__(self, source: str, special_tokens: Mapping[str, str]) -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
        )
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = lambda style: datetime.now(UTC).strftime(style)
        self._template = environment.from_string(source)
        self._special_tokens = dict(special_tokens)

    def render(self, messages: Sequence[Mapping[str, str]], *, is_open: bool = True) -> str:
        """The text of a conversation.

        Args:
            messages: each with its ``role`` and ``content``.
            is_open: whether it ends where the assistant's next message begins.

        Raises:
            TemplateError: the template refuses the messages.
        """
        return self._template.render(
            messages=[dict(message) for message in messages],
            add_generation_prompt=is_open,
            **self._special_tokens,
        )


def _to_json(value: Any, **options: Any) -> str:
    """Without Jinja's escapes for HTML."""
    return json.dumps(value, ensure_ascii=False, **options)


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)
