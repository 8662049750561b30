"""What every combination of answers renders to: complete, parsed, and free of leftovers."""

import ast
import json
import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from conftest import Bake
from matrix import CHOICES, COMBINATIONS, ROOT, ROWS, Combination, answer_of, executed, name_of
from pipelines import Loader
from tree import digests, empty_folders, files, listing, text_of
from words import WORDS, unchosen_words

TREES = ROOT / "tests" / "trees"
RENDERED = {
    *(".env.example", ".python-version"),
    *("Dockerfile", "LICENSE", "Makefile", "README.md", "pyproject.toml"),
    *("docs/api.md", "docs/errors.md", "docs/operations.md"),
}
TWICE = [*ROWS, executed("gitlab-ci"), executed("jenkins")]
"""What is baked a second time."""
PARSERS: dict[str, Callable[[str], object]] = {
    ".json": json.loads,
    ".py": ast.parse,
    ".toml": tomllib.loads,
    ".yaml": lambda text: list(yaml.load_all(text, Loader)),  # a SafeLoader
    ".yml": lambda text: list(yaml.load_all(text, Loader)),
}


def test_the_files_are_those_of_the_golden_tree(repo: Path, combination: Combination) -> None:
    golden = TREES / f"{name_of(combination)}.txt"
    if os.environ.get("WRITE_TREES") == "1":
        TREES.mkdir(exist_ok=True)
        golden.write_text(listing(repo), encoding="utf-8")

    assert listing(repo) == golden.read_text(encoding="utf-8"), 'read the change, then "make trees"'


def test_there_is_no_golden_tree_without_its_combination() -> None:
    names = {name_of(combination) for combination in COMBINATIONS}

    assert {path.stem for path in TREES.glob("*.txt")} == names


def test_no_word_of_an_unchosen_answer_is_left(repo: Path, combination: Combination) -> None:
    answers = {*combination.values(), answer_of(combination, "kind")}
    found = [
        word
        for name in files(repo)
        for word in unchosen_words(answers, name.as_posix(), text_of(repo / name))
    ]

    assert found == []


def test_every_answer_has_its_words() -> None:
    answers = {answer for each in COMBINATIONS for answer in each.values()}

    assert set(WORDS) == answers | {answer_of(each, "kind") for each in COMBINATIONS}


def test_no_jinja_of_the_template_is_left(repo: Path) -> None:
    for name in files(repo):
        text = text_of(repo / name)
        assert not re.search(r"\{\{ *cookiecutter|#\{%|%\}#|#\{##|##\}#", text), name
        if name.as_posix() in RENDERED:
            assert not re.search(r"(?<!\$)\{\{ *\w", text), name


def test_only_the_readme_tells_where_the_repository_came_from(repo: Path) -> None:
    naming = [
        name.as_posix()
        for name in files(repo)
        if "cookiecutter" in (text_of(repo / name) + name.as_posix()).lower()
    ]

    assert set(naming) <= {"README.md"}


def test_every_file_parses(repo: Path) -> None:
    for name in files(repo):
        if parse := PARSERS.get(name.suffix):
            parse((repo / name).read_text(encoding="utf-8"))


def test_every_text_ends_with_one_newline_and_has_no_trailing_spaces(repo: Path) -> None:
    for name in files(repo):
        text = text_of(repo / name)
        if text and name.suffix != ".svg" and "\0" not in text:
            assert text.endswith("\n"), name
            assert not text.endswith("\n\n"), name
            assert not re.search(r"[ \t]+$", text, re.MULTILINE), name


def test_no_three_blank_lines_are_left_by_an_answer_that_was_not_chosen(repo: Path) -> None:
    for name in RENDERED & {name.as_posix() for name in files(repo)}:
        assert "\n\n\n\n" not in text_of(repo / name), name


def test_the_table_of_errors_has_every_code(repo: Path) -> None:
    sources = [text_of(path) for path in (repo / "src").rglob("*.py")]
    codes = {code for text in sources for code in re.findall(r'(?m)^    code = "(\w+)"', text)}
    codes.discard("error")  # the base class's, which is never raised
    table = text_of(repo / "docs" / "errors.md").split("## Messages")[0]
    rows = re.findall(r"(?m)^\| [45]\d\d[^|]*\|([^|]*)\|", table)

    assert {code for row in rows for code in re.findall(r"`(\w+)`", row)} == codes


def test_there_is_no_empty_folder(repo: Path) -> None:
    assert empty_folders(repo) == []


@pytest.mark.parametrize("combination", TWICE, ids=name_of, indirect=True)
def test_a_second_bake_is_the_same(repo: Path, combination: Combination, bake: Bake) -> None:
    assert digests(bake(**combination)) == digests(repo)


@pytest.mark.parametrize("python_version", CHOICES["python_version"])
def test_every_python_version_renders(bake: Bake, python_version: str) -> None:
    repo = bake(python_version=python_version)

    for name in RENDERED & {".python-version", "Dockerfile"}:
        assert python_version in text_of(repo / name), name


@pytest.mark.parametrize("license_name", CHOICES["license"])
def test_every_license_renders_with_its_holder(bake: Bake, license_name: str) -> None:
    repo = bake(license=license_name, author_name="Zoë O'Neill")

    assert "Zoë O'Neill" in text_of(repo / "LICENSE")
