"""A Jinja extension that checks answers as they are typed. Asked for by ``pre_prompt.py``.

At a prompt a wrong answer is asked for again. Where nobody is asked, it ends cookiecutter before a
file is written.
"""

import logging

import cookiecutter.prompt
from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment
from jinja2.ext import Extension

from hooks.pre_gen_project import first_refusal, refusal

read_answer = cookiecutter.prompt.read_user_variable


def read_accepted_answer(
    question: str, default: str, prompts: dict[str, str] | None = None, prefix: str = ""
) -> str:
    """Ask until the answer is accepted; takes the place of ``read_user_variable``."""
    while True:
        answer: str = read_answer(question, default, prompts, prefix)
        if not (sentence := refusal(question, answer)):
            return answer
        print(sentence)


def refuse_wrong_answers(answers: dict[str, str]) -> str:
    """Nothing, when all *answers* are accepted.

    Raises:
        FailedHookException: one is not; cookiecutter prints its message and ends with status 1.
    """
    if sentence := first_refusal(answers):
        raise FailedHookException(sentence)
    return ""


class AnswerCheck(Extension):
    """Checks what is typed, and brings the filter ``refuse_wrong_answers``."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.filters["refuse_wrong_answers"] = refuse_wrong_answers
        cookiecutter.prompt.read_user_variable = read_accepted_answer
        # A hook says itself why it refuses; cookiecutter would add its stack trace.
        logging.getLogger("cookiecutter.hooks").setLevel(logging.CRITICAL)
