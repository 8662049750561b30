"""A conversation -> the text that a model was trained to continue, by the model's own template.

Templates come with models, so they run in Jinja's sandbox. Their dialect is that of Hugging Face:
https://huggingface.co/docs/transformers/chat_templating_writing
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment


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
