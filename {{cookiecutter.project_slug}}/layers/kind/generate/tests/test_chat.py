"""A conversation -> a text, by templates as models bring them."""

from typing import Any

import pytest
from jinja2 import TemplateError

from service.chat import ChatTemplate

MESSAGES = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "<b>Grüße</b>"},
]


def render(source: str, **special_tokens: str) -> str:
    """The text that the template *source* makes of the conversation."""
    return ChatTemplate(source, special_tokens).render(MESSAGES)


def test_a_template_sees_messages_special_tokens_and_that_an_answer_is_to_begin() -> None:
    source = (
        "{{ bos_token }}{%-for message in messages-%}[{{ message['role'] }}] "
        "{{ message.content }}{{ eos_token }}{%-endfor-%}"
        "{%-if add_generation_prompt%}[assistant]{%-endif%}"
    )

    text = render(source, bos_token="<s>", eos_token="</s>")  # noqa: S106  # no passwords

    assert text == "<s>[system] Be kind.</s>[user] <b>Grüße</b></s>[assistant]"


def test_lines_of_nothing_but_blocks_leave_nothing() -> None:
    assert render(
        "{%for message in messages%}\n  {%if loop.first%}\na\n  {%endif%}\n{%endfor%}\nb"
    ) == ("a\nb")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ messages[1].content | tojson }}", '"<b>Grüße</b>"'),
        ("{%for m in messages%}{{ m.role }}{%break%}{%endfor%}", "system"),
        (
            "{%for m in messages%}{%if loop.first%}{%continue%}{%endif%}{{ m.role }}{%endfor%}",
            "user",
        ),
        ("{{ messages | length }}", "2"),
        ("{{ unknown }}", ""),
    ],
)
def test_templates_have_what_the_dialect_promises(source: str, text: str) -> None:
    assert render(source) == text


def test_a_template_may_ask_for_the_date() -> None:
    assert len(render("{{ strftime_now('%Y-%m-%d') }}")) == 10


@pytest.mark.parametrize(
    "source",
    [
        "{{ raise_exception('no') }}",
        "{{ messages.append(1) }}",
        "{{ messages[0].__class__.__mro__ }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{{ unknown.attribute }}",
    ],
)
def test_what_a_template_refuses_or_may_not_do_is_an_error(source: str) -> None:
    with pytest.raises(TemplateError):
        render(source)


def test_a_conversation_is_text_to_a_template_and_no_template_itself() -> None:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "{{ 7 * 7 }}"}]

    assert ChatTemplate("{{ messages[0].content }}", {}).render(messages) == "{{ 7 * 7 }}"
