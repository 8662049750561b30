"""A new model is measured by the one in production, with true small models."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from trained import loading_every, make_model

from model import data
from model.data import load
from service import manifest as manifests
from service import runtime
from service.errors import OwnerError
from service.lifecycle import compare as comparing
from service.lifecycle import evaluation
from service.lifecycle.__main__ import main
from service.lifecycle.compare import FOLDERS, compare
from service.lifecycle.source import Source
from service.manifest import Arrays, Artefact, Manifest
from service.runtime import Predict
from service.training import UNKNOWN, Examples


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a version, not to be changed; what it serves is its last format.

    With PyTorch that is ONNX, which loads and answers soonest.
    """
    folder = make_model(tmp_path_factory.mktemp("made")) / "1"
    change(folder, artefacts=manifests.read(folder).artefacts[::-1])
    return folder


@pytest.fixture(autouse=True)
def _few_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare by every fifth example, which takes a fifth of the time."""
    monkeypatch.setattr(data, "load", loading_every(5))


@pytest.fixture
def production(version: Path, tmp_path: Path) -> Path:
    """The same as version 7 of another folder, which a test may spoil."""
    folder = shutil.copytree(version, tmp_path / "production" / "7")
    change(folder, version=7)
    return folder


def change(folder: Path, **fields: object) -> None:
    manifests.write(manifests.read(folder).model_copy(update=fields), folder)


def worsen(version: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the model in *version* say the contrary of what it has learnt."""
    load = runtime.load

    def load_worse(folder: Path, manifest: Manifest, artefact: Artefact, threads: int) -> Predict:
        predict = load(folder, manifest, artefact, threads)
        if folder != version:
            return predict

        def contrary(batch: Arrays) -> Arrays:
            outputs = predict(batch)
            return {**outputs, "logits": -outputs["logits"]}

        return contrary

    monkeypatch.setattr(runtime, "load", load_worse)


def test_a_version_is_as_good_as_its_candidate_was(
    version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "load", load)

    found = compare(version, None, Source())

    assert found.outcome == "no production model"
    assert found.candidate.metrics == pytest.approx(manifests.read(version).metrics, rel=1e-3)
    assert found.held_out_examples > 0


def test_a_model_as_good_as_the_one_in_production_is_accepted(
    version: Path, production: Path
) -> None:
    found = compare(version, production, Source(), tolerance=0)

    assert found.outcome == "accepted"
    assert found.production is not None
    assert found.production.metrics == found.candidate.metrics
    assert found.production.version == 7


def test_a_worse_model_is_refused_and_a_better_one_accepted(
    version: Path, production: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worsen(version, monkeypatch)

    refused = compare(version, production, Source())
    accepted = compare(production, version, Source())

    assert refused.outcome == "refused"
    assert f"{evaluation.METRIC} is " in refused.reason
    assert "at most" in refused.reason
    assert accepted.outcome == "accepted"


def test_the_tolerance_is_for_the_metric_that_decides() -> None:
    assert comparing._decide(0.95, 0.93, 0.02)[0] == "accepted"  # noqa: SLF001
    assert comparing._decide(0.95, 0.9299, 0.02)[0] == "refused"  # noqa: SLF001
    assert comparing._decide(0.95, 0.9499, 0)[0] == "refused"  # noqa: SLF001
    assert comparing._decide(0.95, float("nan"), 1)[0] == "refused"  # noqa: SLF001


def test_the_command_says_so_writes_it_and_fails(
    version: Path,
    production: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["--production", str(production.parent), "--reports", str(tmp_path / "reports")]

    assert main(["compare", str(version), *words]) == 0
    assert "good enough" in capsys.readouterr().out
    worsen(version, monkeypatch)
    assert main(["compare", str(version), *words]) == 1

    said = capsys.readouterr()
    assert "worse than the model in production" in said.err
    assert f"| {evaluation.METRIC} (decides) |" in said.out
    written = json.loads((tmp_path / "reports" / "comparison.json").read_text())
    assert written["outcome"] == "refused"
    assert written["production"]["version"] == 7
    assert written["reason"] in (tmp_path / "reports" / "comparison.md").read_text()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"task": "weather"}, "the model in production is for weather"),
        ({"labels": ["sun", "rain"]}, "no longer there: rain, sun"),
    ],
)
def test_what_says_nothing_together_is_not_compared(
    version: Path, production: Path, fields: dict[str, object], said: str
) -> None:
    change(production, **fields)

    found = compare(version, production, Source())

    assert found.outcome == "not comparable"
    assert said in found.reason
    assert found.production is not None
    assert found.production.metrics == {}


def test_models_with_labels_that_no_example_has_are_not_compared(
    version: Path, production: Path
) -> None:
    for folder in (production, other := shutil.copytree(version, production.parent / "8")):
        change(folder, labels=["sun", "rain"])

    found = compare(other, production, Source())

    assert found.outcome == "not comparable"
    assert "sun, rain" in found.reason
    assert found.candidate.metrics == {}


def test_targets_follow_the_order_of_a_models_labels() -> None:
    examples = Examples({"a": np.zeros((4, 1))}, np.array([0, 2, UNKNOWN, 1]))

    found = comparing._in_order(examples, ["x", "y", "z"], ["z", "x", "y"])  # noqa: SLF001

    assert found.targets.tolist() == [1, 0, UNKNOWN, 2]


def test_a_model_in_production_that_was_changed_is_refused_by_name(
    version: Path, production: Path
) -> None:
    manifest = manifests.read(production)
    artefact = manifest.artefact(None)
    name = next(
        name
        for name in manifest.files
        if artefact.path in {".", name}
        and name not in {each.path for each in manifest.artefacts[1:]}
    )
    (production / name).write_bytes(b"something else")

    with pytest.raises(
        OwnerError, match=r"The model in production could not be judged.*PRODUCTION="
    ):
        compare(version, production, Source())


def test_each_model_reads_the_examples_in_its_own_way(version: Path) -> None:
    mine = data.load(Source(), version)
    fresh = data.load(Source())

    assert mine.parameters == fresh.parameters
    assert len(mine.held_out) == len(fresh.held_out)
    for name, array in fresh.held_out.inputs.items():
        assert (mine.held_out.inputs[name] == array).all()


IMAGES = ["registry.example/me:1", "registry.example/me:1-2"][: len(FOLDERS)]
ENGINE = """\
#!/bin/sh
case "$1" in
    image) exit 1 ;;
    *) echo "$SAID" >&2; exit 1 ;;
esac
"""


@pytest.mark.parametrize(
    "said",
    [
        "Error response from daemon: manifest unknown: manifest unknown",
        "Error response from daemon: manifest for me:1 not found: manifest unknown: not here",
        "Error response from daemon: name unknown: repository name not known to registry",
        'Error response from daemon: failed to resolve reference "me.example/a:1": not found',
    ],
)
def test_an_image_that_the_registry_does_not_have_is_no_model_yet(
    version: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    speaking_engine(tmp_path, monkeypatch, said)

    words = ["--production", *IMAGES, "--reports", str(tmp_path / "reports")]
    assert main(["compare", str(version), *words]) == 0

    written = json.loads((tmp_path / "reports" / "comparison.json").read_text())
    assert written["outcome"] == "no production model"


@pytest.mark.parametrize(
    "said",
    [
        "Error response from daemon: Get https://me.example: dial tcp: no such host",
        "Error response from daemon: Head https://me.example/me: denied: denied",
        "Error: pull access denied for me, repository does not exist or may require 'docker login'",
        "Error response from daemon: received unexpected HTTP status: 503 Service Unavailable",
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock.",
    ],
)
def test_a_registry_that_does_not_say_whether_there_is_one_fails(
    version: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    said: str,
) -> None:
    speaking_engine(tmp_path, monkeypatch, said)

    words = ["--production", *IMAGES, "--reports", str(tmp_path / "reports")]
    assert main(["compare", str(version), *words]) == 1

    error = capsys.readouterr().err
    assert said in error
    assert "docker login" in error
    assert not (tmp_path / "reports").exists()


def test_without_docker_an_image_is_refused_and_a_folder_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(OwnerError, match=r"Docker, .* is not installed"):
        comparing.is_there("registry.example/me:1")


def speaking_engine(folder: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    """Put a ``docker`` first that says what real ones say when they cannot pull."""
    program = folder / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(ENGINE)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SAID", said)
