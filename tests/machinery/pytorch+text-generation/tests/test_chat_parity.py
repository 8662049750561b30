"""Chat templates of the usual shapes say what they say in transformers."""

from pathlib import Path
from typing import Any

import pytest
from jinja2 import TemplateError
from transformers.utils import chat_template_utils

from service.chat import ChatTemplate

TEMPLATES = sorted(Path(__file__).with_name("real_templates").glob("*.jinja"))
render: Any = chat_template_utils.render_jinja_template  # its types leave out special tokens
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}
SYSTEM = {"role": "system", "content": "Be <b>kind</b>. "}
ASKED = {"role": "user", "content": " Grüße & 世界!\n"}
ANSWERED = {"role": "assistant", "content": "<think>so</think>\n\n Ja. "}
CONVERSATIONS = [
    [ASKED],
    [SYSTEM, ASKED],
    [SYSTEM, ASKED, ANSWERED, ASKED],
    [ASKED, ANSWERED, ASKED, ANSWERED],
    [ASKED, ASKED],
    [{**ASKED, "name": "Ada"}],
]


@pytest.mark.parametrize("messages", CONVERSATIONS)
@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
@pytest.mark.parametrize("is_open", [True, False])
def test_a_template_says_the_same(
    path: Path, messages: list[dict[str, str]], *, is_open: bool
) -> None:
    source = path.read_text(encoding="utf-8").removesuffix("\n")
    try:
        (expected,), _ = render(
            [messages], chat_template=source, add_generation_prompt=is_open, **SPECIAL
        )
    except TemplateError as error:
        with pytest.raises(TemplateError, match=str(error).partition(" ")[0]):
            ChatTemplate(source, SPECIAL).render(messages, is_open=is_open)
        return

    assert ChatTemplate(source, SPECIAL).render(messages, is_open=is_open) == expected
