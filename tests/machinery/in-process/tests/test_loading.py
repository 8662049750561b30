"""A format that fails on the machine that serves is not served, and another takes its place."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asking import wait_for
from structlog.testing import capture_logs
from trained import make_model

from service import manifest as manifests
from service import runtime
from service.errors import OwnerError
from service.metrics import Metrics
from service.pipeline import Pipeline
from service.settings import Settings

Start = Callable[..., Any]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("trained"))


@pytest.fixture
def formats(trained: Path) -> list[str]:
    """Of the version, in their order."""
    return [each.format for each in manifests.read(trained / "1").artefacts]


@pytest.fixture
def start(trained: Path) -> Iterator[Start]:
    """Start a service's pipeline; gives the format that it serves, or what it failed with."""
    pipelines = []

    def started(**settings: Any) -> str | Exception:
        metrics, failures = Metrics(), list[Exception]()
        chosen = Settings(**{"model_dir": trained} | settings)
        pipeline = Pipeline(chosen, metrics, failures.append)
        pipelines.append(pipeline)
        pipeline.start()
        wait_for(lambda: pipeline.is_ready or bool(failures), seconds=60)
        if failures:
            return failures[0]
        (info,) = metrics.model_info.collect()
        return info.samples[0].labels["format"]

    yield started
    for pipeline in pipelines:
        pipeline.close()


def answering_wrong(loader: Callable[..., Any]) -> Callable[..., Any]:
    """The engine of *loader* on a machine where it computes otherwise."""

    def load(*words: Any) -> Any:
        graph = loader(*words)

        def run(*tensors: Any) -> Any:
            found = graph(*tensors)
            if isinstance(found, dict):
                return {name: each + 1 for name, each in found.items()}
            return tuple(each + 1 for each in found) if isinstance(found, tuple) else found + 1

        return run

    return load


def not_there(*_: Any) -> Any:
    raise ImportError("libengine.so: cannot open shared object file")


def test_the_first_format_is_served(start: Start, formats: list[str]) -> None:
    with capture_logs() as logs:
        assert start() == formats[0]

    assert [each["event"] for each in logs] == ["model_loaded", "ready"]


@pytest.mark.parametrize("broken", ["answers wrong", "is not there"])
def test_an_engine_that_fails_here_is_replaced_with_a_warning(
    broken: str, start: Start, formats: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = answering_wrong(runtime.LOADERS[formats[0]])
    monkeypatch.setitem(
        runtime.LOADERS, formats[0], wrong if broken == "answers wrong" else not_there
    )

    with capture_logs() as logs:
        assert start() == formats[1]

    warning = logs[0]
    assert (warning["log_level"], warning["event"]) == ("warning", "format_fails_here")
    assert warning["format"] == formats[0]
    why = "on its golden inputs" if broken == "answers wrong" else "libengine.so"
    assert why in warning["reason"]


def test_the_format_that_the_owner_names_is_not_replaced(
    start: Start, formats: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(runtime.LOADERS, formats[1], answering_wrong(runtime.LOADERS[formats[1]]))

    failure = start(model_format=formats[1])

    assert isinstance(failure, OwnerError)
    assert "on its golden inputs" in str(failure)


def test_where_every_format_fails_the_first_one_says_why(
    start: Start, formats: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in formats:
        monkeypatch.setitem(runtime.LOADERS, name, not_there)

    failure = start()

    assert isinstance(failure, OwnerError)
    assert f'does not load as "{formats[0]}"' in str(failure)


def test_a_file_that_was_changed_is_no_reason_to_serve_another(
    start: Start, formats: list[str], tmp_path: Path
) -> None:
    models = make_model(tmp_path)
    folder = models / "1"
    path = folder / manifests.read(folder).artefact(formats[0]).path
    spoilt = path if path.is_file() else next(path.rglob("*.pb"))
    spoilt.write_bytes(spoilt.read_bytes()[:-1])

    failure = start(model_dir=models)

    assert isinstance(failure, OwnerError)
    assert "truncated" in str(failure)
