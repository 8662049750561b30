"""What every combination of answers renders to: complete, parsed, and free of leftovers."""

import ast
import json
import os
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from bakes import DEFAULT_SLUG, Bake, Baked
from contents import Contents
from matrix import CHOICES, COMBINATIONS, ROOT, ROWS, Combination, executed, features, name_of
from pipelines import Loader
from shell import run
from table import table
from tree import digests, empty_folders, text_of
from words import WORDS, unchosen_words

GOLDEN = ROOT / "tests" / "render" / "tree.txt"
RENDERED = {
    *(".env.example", ".python-version"),
    *("Dockerfile", "LICENSE", "Makefile", "README.md", "pyproject.toml"),
    *("docs/api.md", "docs/errors.md", "docs/operations.md"),
}
FROM_COMMAND = [ROWS[0], executed("gitlab-ci"), executed("jenkins")]
"""What cookiecutter's command renders, too."""
SAMPLES = {
    "flask": "Flask",
    "django": "Django",
    "pytorch": "torch",
    "tensorflow": "tensorflow",
    "image-classification": "max_pixels",
    "text-classification": "text-classification",
    "token-classification": "iob2",
    "text-generation": "causal",
    "predict": "/predict",
    "in-process": "in-process",
    "model-server": "model_server",
    "github-actions": ".github",
    "gitlab-ci": "GitLab",
    "jenkins": "Jenkins",
}
"""For each answer, one of its words."""
PARSERS: dict[str, Callable[[str], object]] = {
    ".json": json.loads,
    ".py": ast.parse,
    ".toml": tomllib.loads,
    ".yaml": lambda text: list(yaml.load_all(text, Loader)),  # a SafeLoader
    ".yml": lambda text: list(yaml.load_all(text, Loader)),
}


def test_the_files_are_those_of_the_golden_list(repos: list[Path]) -> None:
    found = table(repos)
    if os.environ.get("WRITE_TREES") == "1":
        GOLDEN.write_text(found, encoding="utf-8")

    golden = GOLDEN.read_text(encoding="utf-8")
    assert found.splitlines() == golden.splitlines(), 'read the change, then "make trees"'


def test_no_word_of_an_unchosen_answer_is_left(repos: list[Path], contents: Contents) -> None:
    found = {}
    for combination, repo in zip(COMBINATIONS, repos, strict=True):
        answers = features(combination)
        words = [
            word
            for file in contents.of[repo]
            for word in unchosen_words(answers, file.name, file.text)
        ]
        if words:
            found[name_of(combination)] = words

    assert found == {}


@pytest.mark.parametrize("answer", WORDS)
def test_a_word_of_an_answer_is_found_where_it_is_not_chosen(answer: str) -> None:
    text = f"first line\n{SAMPLES[answer]}\n"

    assert unchosen_words(WORDS.keys() - {answer}, "a.txt", text) == [f"a.txt:2: {SAMPLES[answer]}"]
    assert unchosen_words(set(WORDS), "a.txt", text) == []


def test_every_answer_has_its_words() -> None:
    answers = {answer for each in COMBINATIONS for answer in each.values()}

    assert set(WORDS) == answers | {"predict"}


def test_no_jinja_of_the_template_is_left(contents: Contents) -> None:
    for file in contents.distinct:
        assert not re.search(r"\{\{ *cookiecutter|#\{%|%\}#|#\{##|##\}#", file.text), file.path
        if file.name in RENDERED:
            assert not re.search(r"(?<!\$)\{\{ *(?!range|println|end|json)\w", file.text), file.path


def test_only_the_readme_tells_where_the_repository_came_from(contents: Contents) -> None:
    naming = {
        file.name for file in contents.distinct if "cookiecutter" in (file.text + file.name).lower()
    }

    assert naming == {"README.md"}


def test_every_file_parses(contents: Contents) -> None:
    for file in contents.distinct:
        if parse := PARSERS.get(file.path.suffix):
            parse(file.path.read_text(encoding="utf-8"))


def test_every_text_ends_with_one_newline_and_has_no_trailing_spaces(contents: Contents) -> None:
    for file in contents.distinct:
        text = file.text
        if text and file.path.suffix != ".svg" and "\0" not in text:
            assert text.endswith("\n"), file.path
            assert not text.endswith("\n\n"), file.path
            assert not re.search(r"[ \t]+$", text, re.MULTILINE), file.path


def test_no_three_blank_lines_are_left_by_an_answer_that_was_not_chosen(
    contents: Contents,
) -> None:
    for file in contents.distinct:
        assert file.name not in RENDERED or "\n\n\n\n" not in file.text, file.path


def test_the_table_of_errors_has_every_code(repos: list[Path]) -> None:
    for repo in repos:
        sources = [text_of(path) for path in (repo / "src").rglob("*.py")]
        codes = {code for text in sources for code in re.findall(r' code="(\w+)"', text)}
        listed = text_of(repo / "docs" / "errors.md").split("## Messages")[0]
        rows = re.findall(r"(?m)^\| [45]\d\d[^|]*\|([^|]*)\|", listed)

        assert {code for row in rows for code in re.findall(r"`(\w+)`", row)} == codes, repo.name


def test_the_files_that_documents_name_are_there(contents: Contents) -> None:
    missing = {
        (file.name, name)
        for repo, listed in contents.of.items()
        for file in listed
        if file.name.endswith(".md")
        for name in re.findall(
            r"`((?:src|tests|examples|deploy|docs|model_server)/[^`*]*)`", file.text
        )
        if not (repo / name).exists()
    }

    assert missing == set()


def test_there_is_no_empty_folder(repos: list[Path]) -> None:
    assert [folder for repo in repos for folder in empty_folders(repo)] == []


@pytest.mark.parametrize("answers", FROM_COMMAND, ids=name_of)
def test_the_command_renders_the_same_a_second_time(
    answers: Combination, baked: Baked, template: Path, tmp_path: Path
) -> None:
    """With the hook that reads the command line, which these tests go without elsewhere."""
    words = [f"{question}={answer}" for question, answer in answers.items()]
    unasked = ["--no-input", "--default-config"]
    words.append(f"project_slug={DEFAULT_SLUG}")
    nobody = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    run(sys.executable, "-m", "cookiecutter", *unasked, template, *words, cwd=tmp_path, **nobody)

    (repo,) = tmp_path.iterdir()
    assert digests(repo) == digests(baked(answers))


@pytest.mark.parametrize("python_version", CHOICES["python_version"])
def test_every_python_version_renders(bake: Bake, python_version: str) -> None:
    repo = bake(python_version=python_version)

    for name in RENDERED & {".python-version", "Dockerfile"}:
        assert python_version in text_of(repo / name), name


@pytest.mark.parametrize("license_name", CHOICES["license"])
def test_every_license_renders_with_its_holder(bake: Bake, license_name: str) -> None:
    repo = bake(license=license_name, author_name="Zoë O'Neill")

    assert "Zoë O'Neill" in text_of(repo / "LICENSE")
