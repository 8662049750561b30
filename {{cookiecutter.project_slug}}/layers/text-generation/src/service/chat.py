"""A conversation -> the text that a model was trained to continue, by the model's own template.

What looks like a special token in a message, such as the end of a turn, is text: only the template
writes special tokens.

Templates come with models, so they run in Jinja's sandbox. They see what transformers'
``render_jinja_template`` lets them see, without tools and documents:
https://huggingface.co/docs/transformers/chat_templating_writing
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import Scope
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer, normalizers

from service.errors import OwnerError

_MARK = "\U0010ffff"
"""No character of any text. Inside of a special token it makes text of that."""


class Plain:
    """Texts in which nothing is a special token, for a tokenizer of :func:`read_tokenizer`."""

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


class _Generation(Extension):
    """A block ``generation`` around what an assistant wrote: trainings mark it, texts do not."""

    tags = {"generation"}  # noqa: RUF012 - so Jinja wants it

    def parse(self, parser: Parser) -> Scope:
        """What stands inside, as a block of its own."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return Scope(body, lineno=line)


class ChatTemplate:
    """A model's chat template.

    Args:
        source: in Jinja; ``OwnerError`` where it is no template.
        special_tokens: by the names that the template knows, as in ``eos_token``.
    """

    def __init__(self, source: str, special_tokens: Mapping[str, str]) -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _Generation]
        )
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = _now
        try:
            self._template = environment.from_string(source)
        except TemplateError as error:
            line = getattr(error, "lineno", None)
            raise OwnerError(
                f"The model's chat template cannot be read, line {line}: {error}. Mend it in the "
                "base model's chat_template.jinja or tokenizer_config.json."
            ) from None
        self._special_tokens = dict(special_tokens)

    def render(self, messages: Sequence[Mapping[str, str]], *, is_open: bool = True) -> str:
        """The text of a conversation, each message of which has its ``role`` and ``content``.

        It *is_open* where it ends as the assistant's next message begins. ``TemplateError`` where
        the template refuses the messages.
        """
        return self._template.render(
            messages=[dict(message) for message in messages],
            tools=None,
            documents=None,
            add_generation_prompt=is_open,
            **self._special_tokens,
        )


def _to_json(  # the parameters' order is that of transformers
    value: Any,
    ensure_ascii: bool = False,  # noqa: FBT001, FBT002
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,  # noqa: FBT001, FBT002
) -> str:
    """Without Jinja's escapes for HTML."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _now(style: str) -> str:
    return datetime.now().strftime(style)  # noqa: DTZ005 - here, as in transformers


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)
