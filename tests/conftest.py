"""What the tests share: repositories, environments, models, and the report at the end."""

import itertools
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from bakes import Bake, Baked, Bakes, copy_template
from durations import BEGUN, MINUTES, heaviest_first, is_over, seconds_of_files
from environments import shared_environment
from locking import locked_file, one_of
from matrix import COMBINATIONS, Combination, name_of, starter_name
from registry import FOLDER, stop_registry
from shell import RUN_ID, installed_in, make, remove_images_of_run

OVER = "the time of this run was over"
REQUIRED_BY = {"image": "REQUIRE_DOCKER", "cluster": "REQUIRE_CLUSTER"}
"""Markers of tests, and the variables that forbid to skip them."""


def pytest_configure() -> None:
    """Name the run and its begin, in the process that starts the others."""
    os.environ.setdefault(RUN_ID, uuid.uuid4().hex[:12])
    os.environ.setdefault(BEGUN, str(time.time()))
    os.environ.setdefault(FOLDER, f"{tempfile.gettempdir()}/registry-{os.environ[RUN_ID]}")


@pytest.fixture(scope="session", autouse=True)
def _no_files_left_in_the_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the scripts that cookiecutter renders hooks to, and never removes, with the tests."""
    before, tempfile.tempdir = tempfile.tempdir, str(tmp_path_factory.mktemp("temporary"))
    yield
    tempfile.tempdir = before


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean copy of the template, without environments, caches and half-made folders."""
    return copy_template(tmp_path_factory.mktemp("template") / "cookiecutter-model-serving")


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of a run have."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def bakes(shared_folder: Path) -> Bakes:
    """The repositories of this run."""
    return Bakes(shared_folder / "bakes")


@pytest.fixture(scope="session")
def bake(bakes: Bakes, tmp_path_factory: pytest.TempPathFactory) -> Bake:
    """A function that gives a repository of its own for answers, to be changed at will."""
    return lambda **answers: bakes.copy(tmp_path_factory.mktemp("bake"), **answers)


@pytest.fixture(scope="session")
def baked(bakes: Bakes) -> Baked:
    """A function that gives the repository of a combination, rendered once; not to be changed."""
    return bakes.once


@pytest.fixture(scope="session")
def repos(bakes: Bakes) -> list[Path]:
    """The repositories of all combinations, in their order; not to be changed."""
    return bakes.all()


@pytest.fixture(params=COMBINATIONS, ids=name_of)
def combination(request: pytest.FixtureRequest) -> Combination:
    """Each combination of answers in turn."""
    answers: Combination = request.param
    return answers


@pytest.fixture
def repo(combination: Combination, baked: Baked) -> Path:
    """The repository of each combination in turn; not to be changed."""
    return baked(combination)


@pytest.fixture(scope="session")
def backend_env(baked: Baked) -> Callable[[str], Path]:
    """A function that gives the environment with all that a backend's repositories need."""
    return lambda backend: shared_environment(backend, baked)


@pytest.fixture(scope="session")
def installed(backend_env: Callable[[str], Path]) -> Callable[[Combination], list[str]]:
    """A function that gives the words for ``make`` to use the backend's shared environment."""
    return lambda answers: installed_in(backend_env(answers["backend"]))


@pytest.fixture(scope="session")
def starter(
    bake: Bake, installed: Callable[[Combination], list[str]], shared_folder: Path
) -> Callable[[Combination], Path]:
    """A function that gives the ``models`` folder of a combination's starter, by ``make model``.

    Made once for all processes of a run, and for both ways of serving: the framework's own format
    is the first. Beside it lies ``candidate``, from which it was exported.
    """

    def of(combination: Combination) -> Path:
        name = starter_name(combination)
        models = shared_folder / "starters" / name / "models"
        with locked_file(shared_folder / f"starter-{name}.lock"):
            if not models.is_dir():
                repo = bake(**combination)
                make(repo, "model", *installed(combination), OPTIMISE="0")
                shutil.copytree(repo / "build" / "candidate", models.parent / "candidate")
                shutil.copytree(repo / "models", models)
        return models

    return of


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no process has it left when the others are done."""
    items.sort(key=heaviest_first)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what is marked for it once the time is over; the report lists it."""
    if item.get_closest_marker("last") and is_over():
        pytest.skip(f"{OVER}: {MINUTES} is {os.environ[MINUTES]}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run no more repositories at a time than there are processors: some tests measure time."""
    if item.get_closest_marker("generated"):
        with one_of("processor", os.cpu_count() or 1):
            return (yield)
    return (yield)


def pytest_sessionfinish() -> None:
    """Remove the images of the run, in the process that started the others."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        stop_registry()
        remove_images_of_run()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say plainly what was not tested, and where the time went."""
    skipped = terminalreporter.getreports("skipped")
    if skipped:
        terminalreporter.section("not tested")
    for report in skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        terminalreporter.line(f"{report.nodeid}: {reason.removeprefix('Skipped: ')}")
    every = itertools.chain.from_iterable(terminalreporter.stats.values())
    shares = seconds_of_files(each for each in every if isinstance(each, pytest.TestReport))
    terminalreporter.section("seconds by file")
    for name, seconds in shares.items():
        terminalreporter.line(f"{seconds:8.1f}  {name}")


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
    if report.skipped and required and OVER not in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"skipped, but everything is required: {report.longrepr}"
    return report
