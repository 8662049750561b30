"""A Jinja filter that ends cookiecutter with one sentence at a wrong answer.

Asked for by ``pre_prompt.py``. A refusal by ``pre_gen_project.py`` comes after the folder was made
and under cookiecutter's traceback, so that hook only stands behind this one, for cruft.
"""

from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment
from jinja2.ext import Extension

from hooks.pre_gen_project import first_refusal


def refuse_wrong_answers(answers: dict[str, str]) -> str:
    """Nothing, when all *answers* are accepted.

    Raises:
        FailedHookException: one is not; cookiecutter prints its message and ends with status 1.
    """
    if sentence := first_refusal(answers):
        raise FailedHookException(sentence)
    return ""


class AnswerCheck(Extension):
    """Brings the filter ``refuse_wrong_answers``."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.filters["refuse_wrong_answers"] = refuse_wrong_answers
