"""What the tests share: bakes, environments, tools, and plain words about what was skipped."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from environments import locked, shared_environment
from matrix import COMBINATIONS, ROOT, Combination, name_of
from registry import running_registry
from service import clean_environ

REQUIRED_BY = {"image": "REQUIRE_DOCKER", "cluster": "REQUIRE_CLUSTER"}
"""Markers of tests, and the variables that forbid to skip them."""
Bake: TypeAlias = Callable[..., Path]
"""``bake(framework="django", ...)`` renders a repository and gives its folder."""


def tracked_files() -> list[Path]:
    """What belongs to the template: files that git tracks, or would."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.check_output(command, cwd=ROOT, text=True).split("\0")
    return [Path(name) for name in sorted(set(filter(None, listed))) if (ROOT / name).is_file()]


@pytest.fixture(scope="session", autouse=True)
def _no_files_left_in_the_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the scripts that cookiecutter renders hooks to, and never removes, with the tests."""
    before, tempfile.tempdir = tempfile.tempdir, str(tmp_path_factory.mktemp("temporary"))
    yield
    tempfile.tempdir = before


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean copy of the template, without environments, caches and half-made folders."""
    clean = tmp_path_factory.mktemp("template") / "cookiecutter-model-serving"
    for name in tracked_files():
        (clean / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, clean / name)
    return clean


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The host and port of a registry that has no image yet."""
    with running_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture(scope="session")
def bake(template: Path, cookies_session: Any) -> Bake:
    """A function that renders a fresh repository from answers and gives its folder."""

    def render(**answers: str) -> Path:
        result = cookies_session.bake(extra_context=answers, template=str(template))
        if result.exception is not None:
            raise result.exception
        return Path(result.project_path)

    return render


@pytest.fixture(scope="session")
def baked(bake: Bake) -> Callable[[Combination], Path]:
    """A function that gives the repository of a combination, rendered once; not to be changed."""
    done: dict[str, Path] = {}

    def once(combination: Combination) -> Path:
        name = name_of(combination)
        if name not in done:
            done[name] = bake(**combination)
        return done[name]

    return once


@pytest.fixture(params=COMBINATIONS, ids=name_of)
def combination(request: pytest.FixtureRequest) -> Combination:
    """Each combination of answers in turn."""
    answers: Combination = request.param
    return answers


@pytest.fixture
def repo(combination: Combination, baked: Callable[[Combination], Path]) -> Path:
    """The repository of each combination in turn; not to be changed."""
    return baked(combination)


@pytest.fixture(scope="session")
def backend_env(baked: Callable[[Combination], Path]) -> Callable[[str], Path]:
    """A function that gives the environment with all that a backend's repositories need."""
    return lambda backend: shared_environment(backend, baked)


@pytest.fixture(scope="session")
def starter(
    bake: Bake, backend_env: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Combination], Path]:
    """A function that gives the ``models`` folder of a combination's starter, by ``make model``.

    Made once for all processes of a run; it does not depend on the web framework.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent

    def of(combination: Combination) -> Path:
        name = "-".join(combination[question] for question in ("backend", "task", "serving"))
        models = shared / "starters" / name
        with locked(f"starter-{name}"):
            if not models.is_dir():
                repo, venv = bake(**combination), backend_env(combination["backend"])
                make = ["make", "model", f"VENV={venv}", "-o", f"{venv}/.installed"]
                result = subprocess.run(
                    make, cwd=repo, env=clean_environ(), capture_output=True, text=True, check=False
                )
                assert result.returncode == 0, result.stdout + result.stderr[-4000:]
                models.parent.mkdir(exist_ok=True)
                shutil.copytree(repo / "models", models)
        return models

    return of


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say plainly what was not tested."""
    skipped = terminalreporter.getreports("skipped")
    if skipped:
        terminalreporter.section("not tested")
    for report in skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        terminalreporter.line(f"{report.nodeid}: {reason.removeprefix('Skipped: ')}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a skip fail where everything is required."""
    report = yield
    required = os.environ.get("REQUIRE_ALL") == "1" or any(
        os.environ.get(variable) == "1" and item.get_closest_marker(marker) is not None
        for marker, variable in REQUIRED_BY.items()
    )
    if report.skipped and required:
        report.outcome = "failed"
        report.longrepr = f"skipped, but everything is required: {report.longrepr}"
    return report
