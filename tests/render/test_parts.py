"""The rendered files and their parts in ``templates/``: short, without branches, nothing twice."""

import re
from collections import Counter
from copy import deepcopy
from typing import Any

import pytest
from cookiecutter.prompt import prompt_for_config
from cookiecutter.utils import create_env_with_context
from jinja2 import FileSystemLoader

from matrix import CHOICES, COMBINATIONS, CONTEXT, SKELETON, Combination, name_of
from sizes import PARTS, rendered_names

README_MAX_LINES = 200
LONG_PARAGRAPH_CHARACTERS = 120


class RecordingLoader(FileSystemLoader):
    """Loads as cookiecutter does, and remembers what was loaded."""

    def __init__(self) -> None:
        super().__init__([str(SKELETON), str(PARTS)])
        self.loaded: set[str] = set()

    def get_source(self, environment: Any, template: str) -> tuple[str, str, Any]:
        """The text of *template*."""
        source = super().get_source(environment, template)
        self.loaded.add(template)
        return source


NAMES = list(rendered_names())


def rendered(answers: Combination) -> tuple[dict[str, str], set[str]]:
    """Every rendered file with its text, and the names of the templates that went in."""
    context: dict[str, Any] = {"cookiecutter": {**deepcopy(CONTEXT), **answers}}
    context["cookiecutter"] = prompt_for_config(context, no_input=True)
    environment = create_env_with_context(context)
    environment.loader = loader = RecordingLoader()
    texts = {name: environment.get_template(name).render(**context) for name in NAMES}
    return texts, loader.loaded


@pytest.fixture(scope="module")
def texts() -> dict[str, dict[str, str]]:
    """The rendered files of every combination."""
    return {name_of(answers): rendered(answers)[0] for answers in COMBINATIONS}


def repeated(text: str, *, is_markdown: bool) -> list[str]:
    """Headings and long paragraphs that stand more than once in *text*."""
    prose = re.sub(r"(?ms)^```.*?^```$", "", text) if is_markdown else text
    found = re.findall(r"(?m)^#+ .*$", prose) if is_markdown else []
    for paragraph in re.split(r"\n\s*\n", text):
        if len(paragraph.strip()) > LONG_PARAGRAPH_CHARACTERS:
            found.append(paragraph.strip())
    return [each for each, count in Counter(found).items() if count > 1]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("## A\n\n## A\n", ["## A"]),
        ("```sh\n# a\n```\n\n```sh\n# a\n```\n", []),
        (f"{'long ' * 30}\n\nb\n\n{'long ' * 30}\n", [("long " * 30).strip()]),
        ("short\n\nshort\n", []),
    ],
)
def test_what_stands_twice_is_found(text: str, found: list[str]) -> None:
    assert repeated(text, is_markdown=True) == found


def test_no_heading_and_no_long_paragraph_stands_twice(texts: dict[str, dict[str, str]]) -> None:
    twice = {
        f"{combination}: {name}": found
        for combination, files in texts.items()
        for name, text in files.items()
        if (found := repeated(text, is_markdown=name.endswith(".md")))
    }

    assert twice == {}


def test_every_readme_is_short(texts: dict[str, dict[str, str]]) -> None:
    lines = {name: files["README.md"].count("\n") for name, files in texts.items()}

    assert {name: count for name, count in lines.items() if count >= README_MAX_LINES} == {}


def test_every_command_that_a_document_names_is_a_target(texts: dict[str, dict[str, str]]) -> None:
    unknown = {
        f"{combination}: {name}: make {target}"
        for combination, files in texts.items()
        for name, text in files.items()
        if name.endswith(".md")
        for target in re.findall(r'(?m)(?:^|[`"])make ([a-z-]+)', text)
        if not re.search(rf"(?m)^{target}:.*## ", files["Makefile"])
    }

    assert unknown == set()


def test_every_link_leads_to_a_file_and_a_heading(texts: dict[str, dict[str, str]]) -> None:
    for files in texts.values():
        for name, text in files.items():
            for target, heading in re.findall(r"\]\((?!https?:)([^)#]+)(?:#([^)]+))?\)", text):
                linked = ((SKELETON / name).parent / target).resolve()
                path = linked.relative_to(SKELETON.resolve()).as_posix()
                if not linked.is_file():  # a layer brings it
                    (linked, *_) = [*SKELETON.glob(f"layers/*/{path}"), None]
                    assert linked is not None, (name, target)
                other = files.get(path) or linked.read_text(encoding="utf-8")
                headings = re.findall(r"(?m)^#+ (.*)$", other)
                assert not heading or heading in [each.lower() for each in headings], heading


def test_every_part_is_used() -> None:
    answers: list[Combination] = [
        *COMBINATIONS,
        *({"license": license_name} for license_name in CHOICES["license"]),
    ]
    used = set().union(*(rendered(each)[1] for each in answers))
    parts = {path.relative_to(PARTS).as_posix() for path in PARTS.rglob("*") if path.is_file()}

    assert parts - used == set()
