"""What an answer may be: one rule a question, and a sentence for each way to break it.

Run by cookiecutter in the new folder, it checks Python, every answer, and that the folder is empty.
The other hooks import it as it stands, unrendered.
"""

import json
import keyword
import platform
import re
import sys
from collections.abc import Callable
from pathlib import Path

RENDERED_ANSWERS = r"""
{{ cookiecutter | tojson }}
"""

OLDEST_PYTHON = (3, 11)
FORBIDDEN_CHARACTERS = '"\\{}<>`$'
SLUG = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", re.ASCII)
SLUG_MAX_CHARACTERS = 50  # Kubernetes allows 63 and adds its own endings
EMAIL = re.compile(
    r"[A-Za-z0-9_%+'-]+(\.[A-Za-z0-9_%+'-]+)*"
    r"@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]*[A-Za-z0-9]",
    re.ASCII,
)
EMAIL_MAX_CHARACTERS = 254  # RFC 5321, 4.5.3.1.3
WINDOWS_RESERVED = {
    *("con", "prn", "aux", "nul"),
    *(f"{port}{number}" for port in ("com", "lpt") for number in range(10)),
}
YAML_VALUES = {"false", "n", "no", "null", "off", "on", "true", "y", "yes"}


def line_of_text(max_characters: int) -> Callable[[str], str]:
    """The rule for one line of text in any language."""

    def accepted(value: str) -> str:
        if (
            1 <= len(value) <= max_characters
            and value.isprintable()
            and value == value.strip()
            and not set(value) & set(FORBIDDEN_CHARACTERS)
        ):
            return ""
        return (
            f"1 to {max_characters} printable characters of any language on one line, without "
            f"{' '.join(FORBIDDEN_CHARACTERS)} and without spaces at the ends"
        )

    return accepted


def slug(value: str) -> str:
    """The rule for a name that folders, images and Kubernetes take."""
    if not SLUG.fullmatch(value) or len(value) > SLUG_MAX_CHARACTERS:
        return (
            f"1 to {SLUG_MAX_CHARACTERS} characters: lower-case letters a-z, digits and single "
            'dashes, with a letter first and no dash last, as in "digit-reader"'
        )
    if keyword.iskeyword(value) or value in WINDOWS_RESERVED | YAML_VALUES:
        return 'a name that neither Python, YAML nor Windows keeps for itself, as in "digit-reader"'
    return ""


def email(value: str) -> str:
    """The rule for a plain address."""
    if EMAIL.fullmatch(value) and len(value) <= EMAIL_MAX_CHARACTERS:
        return ""
    return (
        f"one plain ASCII address of at most {EMAIL_MAX_CHARACTERS} characters, as in "
        '"you@example.com"'
    )


RULES: dict[str, Callable[[str], str]] = {
    "project_name": line_of_text(100),
    "project_slug": slug,
    "description": line_of_text(200),
    "author_name": line_of_text(100),
    "author_email": email,
}
"""For each question with a free answer: a function that tells what is accepted, or nothing."""


def shown(value: str) -> str:
    """*value* in quotes, safe to print and short enough to read."""
    quoted = json.dumps(value, ensure_ascii=not value.isprintable())
    return quoted if len(quoted) <= 80 else f"{quoted[:60]}..., {len(value)} characters long"


def refusal(question: str, value: str) -> str:
    """The sentence that refuses *value*, or nothing when it is accepted."""
    accepted = RULES[question](value) if question in RULES else ""
    return f"{question} is {shown(value)}; accepted: {accepted}." if accepted else ""


def first_refusal(answers: dict[str, str]) -> str:
    """The sentence for the first answer that is refused, or nothing."""
    return next(filter(None, (refusal(*answer) for answer in answers.items())), "")


def old_python() -> str:
    """The sentence that refuses the Python that runs this, or nothing when it is new enough."""
    if sys.version_info >= OLDEST_PYTHON:
        return ""
    return (
        f"cookiecutter runs on Python {platform.python_version()}, and this template needs 3.11 or "
        "newer: pipx install --force --python python3.11 cookiecutter"
    )


def taken_folder(folder: Path) -> str:
    """The sentence that refuses *folder*, or nothing when it is empty."""
    if not any(folder.iterdir()):
        return ""
    return (
        f'"{folder}" is not empty, and cookiecutter would overwrite what is there. Choose another '
        'project_slug or --output-dir. To bring a newer template into a repository: "make update".'
    )


if __name__ == "__main__":
    sys.exit(
        old_python() or first_refusal(json.loads(RENDERED_ANSWERS)) or taken_folder(Path.cwd()) or 0
    )
