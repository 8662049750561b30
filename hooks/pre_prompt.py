"""Refuse wrong answers on cookiecutter's command line, and prepare the questions.

By itself cookiecutter ignores a question that it does not know, and ends with a traceback for a
choice that is not offered or a brace in a text. This runs in a copy of the template that
cookiecutter then uses: there it adds the check of what is typed, and git's name and e-mail.
"""

import difflib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
from cookiecutter.cli import main as cookiecutter_command

sys.path.append(str(Path(__file__).resolve().parent.parent))  # a script sees only its own folder

from hooks.pre_gen_project import old_python, refusal, shown

CONTEXT_FILE = Path("cookiecutter.json")


def parent_command() -> list[str]:
    """The words of the command that runs this hook; none where the system does not tell."""
    parent = os.getppid()
    try:
        return os.fsdecode(Path(f"/proc/{parent}/cmdline").read_bytes()).split("\0")[:-1]
    except OSError:
        pass
    try:
        line = subprocess.check_output(["ps", "-ww", "-o", "args=", "-p", str(parent)], text=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return join_values(line.split())


def join_values(words: list[str]) -> list[str]:
    """Put ``key=several words`` together again, which ``ps`` prints without its quotes."""
    joined: list[str] = []
    for word in words:
        if joined and "=" in joined[-1] and "=" not in word and not word.startswith("-"):
            joined[-1] += f" {word}"
        else:
            joined.append(word)
    return joined


def answers_in(command: list[str]) -> dict[str, str]:
    """The ``key=value`` answers in *command*, read by cookiecutter's own parser."""
    names = [Path(word).stem for word in command[:4]]  # python -m cookiecutter, or its script
    if "cookiecutter" not in names:
        return {}
    arguments = command[names.index("cookiecutter") + 1 :]
    try:
        parsed = cookiecutter_command.make_context("cookiecutter", arguments)
    except click.exceptions.ClickException:
        return {}
    return dict(parsed.params["extra_context"] or {})


def unknown_question(name: str, questions: list[str]) -> str:
    """The sentence that refuses the question *name*, or nothing when there is one."""
    if name in questions:
        return ""
    near = difflib.get_close_matches(name, questions, n=1)
    hint = f'; did you mean "{near[0]}"?' if near else "."
    return f"unknown question {shown(name)}{hint} The questions are: {', '.join(questions)}."


def wrong_choice(question: str, answer: str, offered: Any) -> str:
    """The sentence that refuses *answer*, or nothing when *question* offers it."""
    if not isinstance(offered, list) or answer in offered:
        return ""
    return f"{question} is {shown(answer)}; accepted: {', '.join(offered)}."


def first_refusal(given: dict[str, str], context: dict[str, Any]) -> str:
    """The sentence for the first given answer that is refused, or nothing."""
    questions = [name for name in context if not name.startswith("_")]
    for name, answer in given.items():
        sentence = (
            unknown_question(name, questions)
            or wrong_choice(name, answer, context[name])
            or refusal(name, answer)
        )
        if sentence:
            return sentence
    return ""


def git_config(name: str) -> str:
    """The value that git has for *name*; empty where git or the value is missing."""
    try:
        result = subprocess.run(
            ["git", "config", "--get", name], capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return result.stdout.strip()


def prepare(context: dict[str, Any]) -> None:
    """Offer what git knows about the author, and check all answers before a file is written."""
    for question, name in (("author_name", "user.name"), ("author_email", "user.email")):
        value = git_config(name)
        if not refusal(question, value):
            context[question] = value
    context["_extensions"] = ["hooks.answer_check.AnswerCheck"]
    context["__refusal"] = "{{ cookiecutter | refuse_wrong_answers }}"
    CONTEXT_FILE.write_text(json.dumps(context, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    if sentence := old_python():
        sys.exit(sentence)
    asked = json.loads(CONTEXT_FILE.read_text(encoding="utf-8"))
    if sentence := first_refusal(answers_in(parent_command()), asked):
        sys.exit(sentence)
    prepare(asked)
