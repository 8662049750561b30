"""What an image holds of the models: one version in one format, checked, and what belongs to it."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from matrix import SKELETON

PACK = SKELETON / "layers" / "in-process" / "tools" / "pack.py"
FORMATS = {"onnx": "model.onnx", "pt2": "model.pt2", "pth": "model.pth"}
BESIDE = {"golden.npz", "tokenizer/vocabulary.json"}


def write_version(folder: Path, artefacts: dict[str, str], files: set[str]) -> None:
    """A version with *artefacts*, a path each, and *files*, whose content is their path."""
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{folder.name}/{name}")
    manifest = {
        "version": int(folder.name),
        "artefacts": [{"format": name, "path": path} for name, path in artefacts.items()],
        "files": {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name in sorted(files)
            for content in [(folder / name).read_bytes()]
        },
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Versions 2 and 10 of a model, in three formats."""
    for number in ("2", "10"):
        files = {*FORMATS.values(), *BESIDE}
        write_version(tmp_path / "models" / "digits" / number, FORMATS, files)
    return tmp_path / "models" / "digits"


def run_pack(model_dir: Path, target: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Pack without packages of any kind."""
    command = [sys.executable, "-I", "-S", str(PACK), str(model_dir), str(target), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def packed(model_dir: Path, *words: str) -> tuple[str, set[str], dict[str, Any]]:
    """The format, the files and the manifest that are packed."""
    target = model_dir.parents[1] / "build" / "image"
    done = run_pack(model_dir, target, *words)
    assert done.returncode == 0, done.stderr
    (manifest,) = target.glob("digits/*/manifest.json")
    files = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    return done.stdout, files, json.loads(manifest.read_text())


def refusal(model_dir: Path, *words: str) -> str:
    """What is said where nothing can be packed."""
    done = run_pack(model_dir, model_dir / "image", *words)
    assert done.returncode == 1
    return done.stderr


def test_the_newest_version_is_packed_in_its_first_format_with_what_belongs_to_it(
    models: Path,
) -> None:
    packed(models, "--format", "pt2")  # which goes
    form, files, manifest = packed(models)

    expected = {"model.onnx", *BESIDE}
    assert form == "onnx\n"
    assert files == {f"digits/10/{name}" for name in expected | {"manifest.json"}}
    assert manifest["artefacts"] == [{"format": "onnx", "path": "model.onnx"}]
    assert manifest["files"].keys() == expected
    before = json.loads((models / "10" / "manifest.json").read_text())["files"]
    assert manifest["files"] == {name: before[name] for name in expected}


@pytest.mark.parametrize(("current", "words"), [("2", []), ("10", ["--version", "2"])])
def test_the_version_that_answers_is_packed(current: str, words: list[str], models: Path) -> None:
    (models / "current").write_text(f"{current}\n")

    _, files, manifest = packed(models, *words)

    assert manifest["version"] == 2
    assert "digits/2/model.onnx" in files
    assert not any("10" in name for name in files)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--format", "pth"], "pth"),
        (["--avoid", "onnx pth"], "pt2"),
        (["--avoid", "onnx pth", "--format", "onnx"], "onnx"),
        (["--avoid", "onnx pt2 pth"], "onnx"),
    ],
)
def test_a_format_that_is_named_wins_and_others_can_be_avoided(
    words: list[str], expected: str, models: Path
) -> None:
    form, files, manifest = packed(models, *words)

    assert form.strip() == manifest["artefacts"][0]["format"] == expected
    assert {name for name in files if "/model." in name} == {f"digits/10/{FORMATS[expected]}"}


@pytest.mark.parametrize(
    ("form", "expected"),
    [("saved_model", {"saved_model.pb", "variables/data"}), ("keras", {"model.keras"})],
)
def test_a_format_that_is_the_versions_folder_itself_is_packed_without_the_others(
    form: str, expected: set[str], tmp_path: Path
) -> None:
    models = tmp_path / "models" / "digits"
    files = {"saved_model.pb", "variables/data", "model.keras", "golden.npz"}
    write_version(models / "1", {"saved_model": ".", "keras": "model.keras"}, files)

    _, found, _ = packed(models, "--format", form)

    assert {f"digits/1/{name}" for name in expected | {"golden.npz"}} <= found
    assert ("digits/1/model.keras" in found) == (form == "keras")


def test_what_cannot_be_packed_is_refused_in_a_sentence(models: Path, tmp_path: Path) -> None:
    assert 'no model version to put into the image. Run "make model"' in refusal(tmp_path / "none")
    assert "MODEL_FORMAT is 'pt', which is not there. There are: onnx, pt2, pth." in refusal(
        models, "--format", "pt"
    )
    assert "MODEL_VERSION is '3'" in refusal(models, "--version", "3")
    assert "It has: 2, 10." in refusal(models, "--version", "3")
    (models / "10" / "golden.npz").write_text("other")
    assert 'golden.npz" is missing, or is not what its manifest says' in refusal(models)
    (models / "10" / "golden.npz").unlink()
    assert 'golden.npz" is missing, or is not what its manifest says' in refusal(models)


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("Dockerfile", "models"),
        ("layers/pytorch+model-server/model_server/Dockerfile", "model-store"),
    ],
)
def test_the_model_is_copied_before_the_code_which_changes_more_often(
    path: str, model: str
) -> None:
    dockerfile = (SKELETON / path).read_text(encoding="utf-8")
    for stage in dockerfile.split("\nFROM ")[-2:]:
        copied = re.findall(r"(?m)^COPY .* (\S+)$", stage)
        assert copied.index(model) < copied.index("src")
