"""A conversation -> a text, by templates as models bring them."""

from pathlib import Path
from typing import Any

import pytest
from jinja2 import TemplateError

from service.chat import ChatTemplate
from service.errors import OwnerError

TEMPLATES = Path(__file__).parent / "chat_templates"
MESSAGES = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "<b>Grüße</b>"},
]


def render(name: str, messages: Any = MESSAGES, **special_tokens: str) -> str:
    """The text that the template called *name* makes of a conversation."""
    source = (TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8").removesuffix("\n")
    return ChatTemplate(source, special_tokens).render(messages)


def test_a_template_sees_messages_special_tokens_and_that_an_answer_is_to_begin() -> None:
    text = render("whole", bos_token="<s>", eos_token="</s>")  # noqa: S106  # no passwords

    assert text == "<s>[system] Be kind.</s>[user] <b>Grüße</b></s>[assistant]"


def test_lines_of_nothing_but_blocks_leave_nothing() -> None:
    assert render("lines") == "a\nb"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("as-json", '"<b>Grüße</b>"'),
        ("break", "system"),
        ("continue", "user"),
        ("length", "2"),
        ("unknown", ""),
    ],
)
def test_templates_have_what_the_dialect_promises(name: str, text: str) -> None:
    assert render(name) == text


def test_a_template_may_ask_for_the_date() -> None:
    assert len(render("date")) == 10


@pytest.mark.parametrize(
    "name", sorted(path.stem for path in TEMPLATES.glob("refused-*.jinja")), ids=str
)
def test_what_a_template_refuses_or_may_not_do_is_an_error(name: str) -> None:
    with pytest.raises(TemplateError):
        render(name)


def test_there_are_templates_that_are_refused() -> None:
    assert len(list(TEMPLATES.glob("refused-*.jinja"))) == 5


def test_a_conversation_is_text_to_a_template_and_no_template_itself() -> None:
    braces = "{" * 2 + " 7 * 7 " + "}" * 2

    assert render("content", [{"role": "user", "content": braces}]) == braces


def test_a_template_that_cannot_be_read_is_the_owners_error() -> None:
    unknown = "{" + "% unheard_of %}"

    with pytest.raises(OwnerError, match=r"line 2: .*unheard_of.*chat_template\.jinja"):
        ChatTemplate(f"\n{unknown}", {})
