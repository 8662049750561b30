"""What an import is told of a model by its owner, and what it asks."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import foreign
import numpy as np
import pytest
from imports import ALL, LABELS, SIZE, assert_answers, import_model, pictures, png, refused
from processes import ROOT

from model import data
from service import manifest as manifests
from service.lifecycle.compare import compare
from service.lifecycle.source import Source

pytest_plugins = ["import_fixtures"]
pytestmark = pytest.mark.usefixtures("verified_here")
NAMES = ",".join(LABELS)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.txt", "\ufeff" + "\n".join(LABELS) + "\n\n"),
        ("labels.json", json.dumps(LABELS)),
        ("labels.json", json.dumps({str(i): label for i, label in enumerate(LABELS)})),
        ("labels.json", json.dumps({label: i for i, label in enumerate(LABELS)})),
    ],
)
def test_labels_are_read_from_a_file(name: str, text: str, tmp_path: Path, models: Path) -> None:
    path, said, scores, *_ = foreign.write(tmp_path)
    (tmp_path / name).write_text(text, encoding="utf-8")
    said |= {"labels": str(tmp_path / name)} if name.endswith(".json") else {"labels": ""}

    assert import_model(path, models, **said) == 0

    assert_answers(models, scores)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ("", "and no file says of which labels. Give LABELS=labels.txt, one label a line in the "),
        ("nowhere.txt", 'LABELS is "nowhere.txt", which is neither a file nor a list with commas.'),
        ("a,b,c", "5 scores for an image, and there are 3 labels"),
        ("a,b,c,d,a", "The labels are a, b, c, d, a. Accepted are two or more, each once."),
    ],
)
def test_labels_that_do_not_fit_are_refused(
    labels: str,
    reason: str,
    tmp_path: Path,
    models: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, said, *_ = foreign.write(tmp_path)

    assert reason in refused(path, models, capsys, **said | {"labels": labels})


@pytest.mark.parametrize(
    ("preprocess", "reason"),
    [
        ("", "does not say what a pixel becomes. Give PREPROCESS=imagenet|zero-one|minus-one-one|"),
        ("vgg", 'PREPROCESS is "vgg". Accepted are imagenet, zero-one, minus-one-one, caffe, '),
        ("{", "a JSON file with fields of Parameters in src/model/preprocess.py: Expecting "),
        ('{"sigma": 1}', "not one that the service does: sigma: Extra inputs are not permitted."),
        ('{"scale": 0}', "not one that the service does: scale"),
    ],
)
def test_a_preprocessing_that_is_not_known_is_refused(
    preprocess: str,
    reason: str,
    tmp_path: Path,
    models: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, said, *_ = foreign.write(tmp_path)
    if "{" in preprocess:
        (tmp_path / "own.json").write_text(preprocess)
        preprocess = str(tmp_path / "own.json")

    assert reason in refused(path, models, capsys, **said | {"preprocess": preprocess})


@pytest.mark.parametrize(
    ("size", "reason"),
    [("224", f"takes {SIZE[0]}x{SIZE[1]} pixels, and SIZE is 224."), ("big", 'SIZE is "big"; ')],
)
def test_a_size_that_does_not_fit_is_refused(
    size: str, reason: str, tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, said, *_ = foreign.write(tmp_path)

    assert reason in refused(path, models, capsys, size=size, **said)


def test_a_format_that_is_not_known_is_refused(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, said, *_ = foreign.write(tmp_path)

    assert "FORMATS has pickle; " in refused(path, models, capsys, formats="pickle", **said)


def test_a_version_can_have_every_format(tmp_path: Path, models: Path) -> None:
    path, said, scores, *_ = foreign.write(tmp_path)

    assert import_model(path, models, formats=foreign.EVERY_FORMAT, **said) == 0

    artefacts = manifests.read(models / "1").artefacts
    assert ",".join(artefact.format for artefact in artefacts) == foreign.EVERY_FORMAT
    assert_answers(models, scores)


@pytest.mark.parametrize("origin", ["models:/trees/3", "runs:/0a1b/model"])
def test_an_address_of_mlflow_is_refused(
    origin: str, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(origin, models, capsys) == (
        f'"{origin}" is read by MLflow. Run "mlflow artifacts download --artifact-uri '
        f'{origin} --dst-path from-mlflow", and name the file or folder in from-mlflow.'
    )


def test_a_file_that_is_not_there_is_refused(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refused(tmp_path / "none", models, capsys)

    assert error.startswith(f'FROM is "{tmp_path / "none"}", which is not there. Accepted are ')


def test_a_file_is_taken_from_its_address_by_its_digest(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, said, scores, *_ = foreign.write(tmp_path)
    digest = manifests.sha256(path)

    assert import_model(path.as_uri(), models, sha256=digest, **said) == 0

    assert_answers(models, scores)
    assert sorted(each.name for each in models.parent.iterdir()) == ["default"]
    error = refused(path.as_uri(), models, capsys, sha256="0" * 64, **said)
    assert f"has the SHA-256 {digest}, not {'0' * 64}. It is another model" in error


@pytest.mark.parametrize(
    ("left_out", "given"),
    [("labels", {}), ("preprocess", {}), ("labels", {"labels": "a,b,a"}), ("", {"formats": "x"})],
)
def test_what_is_to_be_said_is_asked_before_the_framework_is_imported(
    left_out: str, given: dict[str, str], tmp_path: Path, models: Path
) -> None:
    case = foreign.CASES[foreign.PLAIN](tmp_path)
    said = {name: value for name, value in ALL.items() if name != left_out} | given
    words = [f"--{name}={value}" for name, value in said.items()]
    code = "import sys; from service.lifecycle.__main__ import main; print(main(sys.argv[1:]), "
    code += "sys.modules.keys() & {'torch', 'tensorflow'})"

    done = subprocess.run(
        [sys.executable, "-c", code, "import", case.path, "--model-dir", models, *words],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == "1 set()\n", done.stderr


def test_a_terminal_is_asked(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    path, said, scores, *_ = foreign.write(tmp_path)
    monkeypatch.setattr(sys, "stdin", Terminal(f"{NAMES}\n"))

    assert import_model(path, models, **said | {"labels": ""}) == 0

    assert_answers(models, scores)


def test_the_examples_are_answered_beside_the_original(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, said, scores, *_ = foreign.write(tmp_path)
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "expected.json").write_text("{}")
    for number, pixels in enumerate(pictures()):
        (tmp_path / "examples" / f"{number}.png").write_bytes(png(pixels))

    assert import_model(path, models, examples=str(tmp_path / "examples"), **said) == 0

    rows = re.findall(
        r"^(\d)\.png +(\w+) +([\d.]+) +([\d.]+)$", capsys.readouterr().out, re.MULTILINE
    )
    assert [label for _, label, _, _ in rows] == [LABELS[row.argmax()] for row in scores]
    for (_, _, served, original), row in zip(rows, scores, strict=True):
        assert float(served) == pytest.approx(row.max(), abs=2e-4)
        assert float(original) == pytest.approx(row.max(), abs=2e-4)


def test_examples_without_an_image_are_refused(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, said, *_ = foreign.write(tmp_path)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("no image")

    assert refused(path, models, capsys, examples=str(tmp_path / "notes"), **said) == (
        f'EXAMPLES is "{tmp_path / "notes"}", which has no image that can be read.'
    )


def test_a_version_says_where_it_comes_from(tmp_path: Path, models: Path) -> None:
    path, said, *_ = foreign.write(tmp_path)
    for _ in range(2):
        assert import_model(path, models, **said) == 0

    assert manifests.versions(models) == [1, 2]
    facts = manifests.read(models / "2")
    assert facts.made_with["original"] == path.name
    assert facts.metrics == {}
    assert len(facts.artefacts) == 1
    card = (models / "2" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert path.name in card
    assert "not trained here" in card


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """A folder of images, one folder a label; what they show has nothing to do with it."""
    random = np.random.default_rng(5)
    for label in LABELS:
        folder = tmp_path / "labelled" / label
        folder.mkdir(parents=True)
        for number in range(data.FEWEST_IMAGES):
            pixels = random.integers(0, random.integers(1, 256), (*SIZE, 3)).astype(np.uint8)
            (folder / f"{number}.png").write_bytes(png(pixels))
    return tmp_path / "labelled"


def test_a_model_that_is_not_good_enough_is_not_imported(
    labelled: Path, tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, said, *_ = foreign.write(tmp_path)

    sentence = refused(path, models, capsys, data=str(labelled), **said)

    assert re.match(
        r'The model is not good enough for ".*labelled": accuracy is 0\.\d+, at least 0\.9500 is '
        r"required\. Look at PREPROCESS and the order of LABELS first",
        sentence,
    )


def test_a_model_is_judged_as_a_comparison_judges_it(
    labelled: Path,
    tmp_path: Path,
    models: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(data, "THRESHOLD", 0.0)
    path, said, *_ = foreign.write(tmp_path)

    assert import_model(path, models, data=str(labelled), **said) == 0

    metrics = manifests.read(models / "1").metrics
    assert metrics == compare(models / "1", None, Source(data=labelled)).candidate.metrics
    assert f"accuracy {metrics['accuracy']:.4f}" in capsys.readouterr().out


def test_images_of_other_labels_judge_nothing(
    labelled: Path, tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (labelled / LABELS[0]).rename(labelled / "oak")
    path, said, *_ = foreign.write(tmp_path)

    sentence = refused(path, models, capsys, data=str(labelled), **said)

    given = ", ".join([*LABELS[1:], "oak"])
    assert f'DATA is "{labelled}", with the labels {given}; the model has {", ".join(LABELS)}.' in (
        sentence
    )
