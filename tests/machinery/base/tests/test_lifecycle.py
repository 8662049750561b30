"""Train, evaluate, export and verify, with a true small model."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import samples
from trained import loading_every, make_model

from model import data
from service import manifest as manifests
from service import runtime
from service.errors import OwnerError
from service.lifecycle import engine, evaluation
from service.lifecycle.__main__ import main
from service.lifecycle.evaluate import EVALUATION, METRICS, evaluate
from service.lifecycle.export import export, is_starter
from service.lifecycle.source import Source
from service.lifecycle.train import train
from service.lifecycle.verify import verify

pytest_plugins = ["verify_fixtures"]
FORMATS = list(engine.EXPORTERS)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A candidate and one version, not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    make_model(folder)
    return folder


@pytest.fixture
def _few_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Learn from one in thirty examples, and judge by it: what a model learns is not asked."""
    monkeypatch.setattr(data, "load", loading_every(30))


@pytest.fixture
def version(made: Path, tmp_path: Path) -> Path:
    """A version that a test may spoil."""
    return shutil.copytree(made / "default" / "1", tmp_path / "default" / "1")


@pytest.fixture
def candidate(made: Path, tmp_path: Path) -> Path:
    """A candidate that a test may spoil."""
    return shutil.copytree(made / "candidate", tmp_path / "candidate")


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): manifests.sha256(path)
        for path in folder.rglob("*")
        if path.is_file()
    }


def largest_file(version: Path, format_name: str) -> Path:
    path = version / manifests.read(version).artefact(format_name).path
    if path.is_file():
        return path
    # a folder format shares the version's folder with the others
    artefacts = {artefact.path for artefact in manifests.read(version).artefacts}
    names = [name for name in contents(path) if name not in artefacts]
    return version / max(
        (name for name in names if not name.endswith((".json", ".npz", ".png", ".md"))),
        key=lambda name: (version / name).stat().st_size,
    )


def test_a_version_has_what_a_server_and_a_reader_need(made: Path) -> None:
    folder = made / "default" / "1"
    manifest = manifests.read(folder)
    assert sorted(artefact.format for artefact in manifest.artefacts) == sorted(FORMATS)
    assert list(runtime.LOADERS) == FORMATS
    assert manifest.name == "default"
    assert manifest.version == 1
    assert manifest.metrics[evaluation.METRIC] >= samples.THRESHOLD
    assert {"MODEL_CARD.md", "metrics.json", "golden.npz"} <= manifest.files.keys()
    assert manifest.files.keys() == contents(folder).keys() - {"manifest.json"}


@pytest.mark.usefixtures("verified_here")
def test_a_model_of_the_repositorys_own_examples_alone_is_the_starter(
    made: Path, candidate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert manifests.read(made / "default" / "1").starter
    text = (made / "default" / "1" / "manifest.json").read_text(encoding="utf-8")
    assert '\n  "starter": true' in text  # as pipelines look for it
    assert not is_starter(Source(data=tmp_path))
    if "base_model" in Source.model_fields:
        assert not is_starter(Source.model_validate({"base_model": "ORG/NAME"}))

    monkeypatch.setattr(data, "IS_STARTER", False)
    one = {FORMATS[-1]: engine.EXPORTERS[FORMATS[-1]]}
    monkeypatch.setattr("service.lifecycle.export.EXPORTERS", one)
    folder, _ = export(candidate, tmp_path / "default")
    assert not manifests.read(folder).starter


@pytest.mark.parametrize("format_name", FORMATS)
def test_each_artefact_answers_as_the_original_whatever_the_batch(
    made: Path, format_name: str
) -> None:
    folder = made / "default" / "1"
    manifest = manifests.read(folder)
    predict = runtime.load(folder, manifest, manifest.artefact(format_name), threads=1)
    inputs, outputs = manifests.read_golden(folder)
    count = len(next(iter(inputs.values())))
    assert count > 3
    for size in (1, 3, count):
        found = predict({name: array[:size] for name, array in inputs.items()})
        expected = {name: array[:size] for name, array in outputs.items()}
        assert manifests.largest_difference(expected, found) <= manifest.tolerance


def test_a_read_only_input_is_taken_as_it_is(made: Path) -> None:
    folder = made / "default" / "1"
    manifest = manifests.read(folder)
    predict = runtime.load(folder, manifest, manifest.artefact(None), threads=1)
    inputs, outputs = manifests.read_golden(folder)
    for array in inputs.values():
        array.flags.writeable = False
    assert manifests.largest_difference(outputs, predict(inputs)) <= manifest.tolerance


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_tampered_artefact_is_refused_by_name(version: Path, format_name: str) -> None:
    path = largest_file(version, format_name)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(OwnerError, match=f"{path.name}.*sha256"):
        verify(version)


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_truncated_artefact_is_refused_by_name(version: Path, format_name: str) -> None:
    path = largest_file(version, format_name)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(OwnerError, match=f"{path.name}.* bytes.*truncated"):
        verify(version)


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_missing_artefact_is_refused_by_name(version: Path, format_name: str) -> None:
    path = largest_file(version, format_name)
    path.unlink()
    with pytest.raises(OwnerError, match=f"{path.name}.* is missing"):
        verify(version)


@pytest.mark.usefixtures("verified_here")
def test_an_artefact_that_no_digest_vouches_for_is_refused_by_name(version: Path) -> None:
    path = largest_file(version, FORMATS[0])
    manifest = manifests.read(version)
    name = path.relative_to(version).as_posix()
    files = {key: value for key, value in manifest.files.items() if key != name}
    manifests.write(manifest.model_copy(update={"files": files}), version)
    with pytest.raises(OwnerError, match=f"{path.name}.* is not in"):
        verify(version)


def test_a_broken_artefact_that_has_its_digest_is_refused_by_format(version: Path) -> None:
    manifest = manifests.read(version)
    artefact = manifest.artefact(FORMATS[1])
    (version / artefact.path).write_bytes(b"no model")
    only = {"artefacts": [artefact], "files": manifests.digests(version)}
    manifests.write(manifest.model_copy(update=only), version)
    with pytest.raises(OwnerError, match=f'"{artefact.format}".*does not load'):
        verify(version)


def test_a_failed_export_names_the_format_and_leaves_what_was_there(
    candidate: Path, version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no such operator")

    monkeypatch.setitem(engine.EXPORTERS, FORMATS[-1], ("model.broken", fail))
    before = contents(version.parent)
    with pytest.raises(OwnerError, match=f'"{FORMATS[-1]}" failed.*no such operator'):
        export(candidate, version.parent)
    assert contents(version.parent) == before
    assert [path.name for path in version.parent.iterdir()] == ["1"]


@pytest.mark.usefixtures("verified_here")
def test_an_artefact_that_answers_otherwise_is_not_exported(
    candidate: Path, version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    format_name = FORMATS[1]
    path, _ = engine.EXPORTERS[format_name]
    older = version / path
    monkeypatch.setattr("service.lifecycle.export.TOLERANCE", 1e-12)

    def save(*arguments: Any) -> None:
        shutil.copy(older, arguments[-1])

    monkeypatch.setattr("service.lifecycle.export.EXPORTERS", {format_name: (path, save)})
    _change_outputs(candidate)
    with pytest.raises(OwnerError, match=f'"{format_name}".*differs from the original'):
        export(candidate, version.parent)
    assert [path.name for path in version.parent.iterdir()] == ["1"]


def _change_outputs(candidate: Path) -> None:
    inputs, outputs = manifests.read_golden(candidate / EVALUATION)
    changed = {name: array + 1 for name, array in outputs.items()}
    manifests.write_golden(candidate / EVALUATION, inputs, changed)


def test_version_numbers_go_up_and_are_never_taken_twice(tmp_path: Path) -> None:
    assert manifests.next_version(tmp_path / "none") == 1
    for name in ("1", "9", "10", ".staging-40-abc", "notes"):
        (tmp_path / name).mkdir()
    assert manifests.next_version(tmp_path) == 11


def test_below_the_threshold_nothing_is_exported(
    candidate: Path, version: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(version.parent)
    assert main(["evaluate", "--candidate", str(candidate), "--threshold", "1.0001"]) == 1
    error = capsys.readouterr().err
    assert f"{evaluation.METRIC} is " in error
    assert "at least 1.0001 is required" in error
    assert error.count("\n") == 1
    arguments = ["--candidate", str(candidate), "--model-dir", str(version.parent)]
    assert main(["export", *arguments]) == 1
    assert "at least 1.0001 is required" in capsys.readouterr().err
    assert contents(version.parent) == before


def test_a_candidate_that_was_not_evaluated_is_not_exported(
    candidate: Path, tmp_path: Path
) -> None:
    (candidate / EVALUATION / METRICS).unlink()
    with pytest.raises(OwnerError, match="was not evaluated"):
        export(candidate, tmp_path / "default")
    assert not (tmp_path / "default").exists()


def test_a_candidate_that_changed_since_its_evaluation_is_not_exported(
    candidate: Path, tmp_path: Path
) -> None:
    path = candidate / engine.WEIGHTS
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(OwnerError, match=f"{path.name}.* has changed since the evaluation"):
        export(candidate, tmp_path / "default")


def test_broken_weights_are_refused_by_name(candidate: Path) -> None:
    path = candidate / engine.WEIGHTS
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(OwnerError, match=f"{path.name}.* is broken"):
        evaluate(candidate)


@pytest.mark.usefixtures("_few_examples")
def test_a_failed_training_leaves_the_candidate_as_it_was(
    candidate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(engine, "save", fail)
    before = contents(candidate.parent)
    with pytest.raises(OSError, match="disk full"):
        train(candidate, epochs=1)
    assert contents(candidate.parent) == before


def test_a_training_does_not_replace_a_folder_that_is_no_candidate(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(OwnerError, match="is not a candidate"):
        train(tmp_path, epochs=1)
    assert (tmp_path / "thesis.txt").is_file()


@pytest.mark.usefixtures("_few_examples")
def test_the_same_seed_gives_the_same_network(tmp_path: Path) -> None:
    for name in ("one", "two"):
        train(tmp_path / name, epochs=1, seed=3)
        evaluate(tmp_path / name, threshold=0)
    one, two = (manifests.read_golden(tmp_path / name / EVALUATION)[1] for name in ("one", "two"))
    assert manifests.largest_difference(one, two) == 0


@pytest.mark.usefixtures("_few_examples", "verified_here")
def test_one_command_makes_a_version_that_is_good_enough_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = {FORMATS[-1]: engine.EXPORTERS[FORMATS[-1]]}
    monkeypatch.setattr("service.lifecycle.export.EXPORTERS", one)
    models = tmp_path / "default"
    command = ["model", "--candidate", str(tmp_path / "candidate"), "--model-dir", str(models)]

    assert main([*command, "--epochs", "1", "--threshold", "1.0001"]) == 1
    assert "at least 1.0001 is required" in capsys.readouterr().err
    assert not models.exists()

    assert main([*command, "--epochs", "1", "--threshold", "0"]) == 0
    assert manifests.versions(models) == [1]


def test_a_staged_folder_replaces_the_former_one_whole(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    for text in ("old", "new"):
        with manifests.staged(target) as staging:
            (staging / f"{text}.txt").write_text(text)
    assert list(contents(tmp_path)) == ["folder/new.txt"]


def test_data_that_cannot_be_used_ends_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", str(tmp_path / "none"), "--candidate", str(tmp_path / "candidate")]
    assert main(["train", *arguments]) == 1
    error = capsys.readouterr().err
    assert str(tmp_path / "none") in error
    assert error.count("\n") == 1
    assert not (tmp_path / "candidate").exists()


def test_verify_prints_each_format(version: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(version)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sorted(line.split()[0] for line in lines[1:-1]) == sorted(FORMATS)
    assert all(line.endswith("ok") for line in lines[1:-1])


def truncate_the_manifest(version: Path) -> None:
    path = version / manifests.MANIFEST
    path.write_bytes(path.read_bytes()[:-9])


def change_a_byte(version: Path) -> None:
    path = largest_file(version, FORMATS[0])
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def remove_a_file(version: Path) -> None:
    (version / manifests.GOLDEN).unlink()


@pytest.mark.parametrize("spoil", [truncate_the_manifest, change_a_byte, remove_a_file])
def test_a_spoilt_version_is_not_used_and_the_former_choice_stays(
    version: Path, spoil: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    model_dir = version.parent
    manifest = manifests.read(version)
    shutil.copytree(version, model_dir / "2")
    manifests.write(manifest.model_copy(update={"version": 2}), model_dir / "2")
    manifests.choose(model_dir, 1)
    spoil(model_dir / "2")

    assert main(["use", "2", "--model-dir", str(model_dir)]) == 1

    assert capsys.readouterr().err.count("\n") == 1
    assert manifests.chosen_version(model_dir) == 1


@pytest.mark.usefixtures("verified_here")
def test_a_version_is_used_once_it_is_verified(version: Path) -> None:
    assert main(["use", "1", "--model-dir", str(version.parent)]) == 0

    assert manifests.chosen_version(version.parent) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["use", "1"],
        ["train", "--data", "{folder}/none"],
        ["verify", "{folder}/none"],
        ["fetch", "{folder}/none"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_what_runs_no_model_or_names_nothing_that_is_there_imports_no_framework(
    arguments: list[str], tmp_path: Path
) -> None:
    (tmp_path / "1").mkdir()
    shutil.copy(Path(__file__), tmp_path / "1" / manifests.MANIFEST)
    code = (
        "import atexit, runpy, sys\n"
        "frameworks = {'torch', 'tensorflow', 'keras'}\n"
        "atexit.register(lambda: print(sorted(frameworks & {*sys.modules})))\n"
        "runpy.run_module('service.lifecycle', run_name='__main__')"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, *(each.format(folder=tmp_path) for each in arguments)],
        env={**os.environ, "MODEL_DIR": str(tmp_path), "PYTHONPATH": "src"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.splitlines()[-1] == "[]"
    assert ("none" in done.stderr) == ("{folder}/none" in arguments)
