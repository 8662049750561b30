"""What the manifest says of the scores is what the task and the evaluation take them for."""

import re
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
import samples
from fake_version import write_fake_version
from golden import golden
from pydantic import BaseModel

from service import manifest as manifests
from service.errors import OwnerError
from service.lifecycle import evaluation, verify
from service.manifest import Arrays, Manifest
from service.numerics import softmax
from service.owner import Task
from service.settings import Settings
from service.training import Examples


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A version's."""
    return write_fake_version(tmp_path / "default")


def say(
    folder: Path, scores: Literal["logits", "probabilities"], change: npt.NDArray[np.float32]
) -> Manifest:
    """Let the version in *folder* have golden outputs of another kind, under another name."""
    inputs, _ = golden()
    manifests.write_golden(folder, inputs, {"named": change})
    manifest = manifests.read(folder)
    output = manifest.signature.outputs[0].model_copy(update={"name": "named"})
    signature = manifest.signature.model_copy(update={"outputs": [output]})
    update = {"signature": signature, "scores": scores, "files": manifests.digests(folder)}
    manifest = manifest.model_copy(update=update)
    manifests.write(manifest, folder)
    return manifests.read(folder)


def rounded(prediction: BaseModel) -> str:
    """An answer, with four digits of each number."""
    return re.sub(r"\d+\.\d+", lambda found: f"{float(found[0]):.4f}", prediction.model_dump_json())


def logits() -> npt.NDArray[np.float32]:
    """As the fake model says to the golden inputs, but less sure."""
    return np.asarray(golden()[1]["logits"] / 500, np.float32)


def test_probabilities_are_taken_as_they_are(folder: Path) -> None:
    settings = Settings()
    task = Task(folder, manifests.read(folder), settings)
    prepared = task.preprocess(samples.VALUE)
    said: Arrays = {"logits": samples.outputs(prepared.arrays)["logits"] / 500}
    expected = task.postprocess(prepared, said)
    manifest = say(folder, "probabilities", softmax(logits()).astype(np.float32))

    found = Task(folder, manifest, settings).postprocess(
        prepared, {"named": softmax(said["logits"]).astype(np.float32)}
    )

    assert rounded(found) == rounded(expected)
    twice = task.postprocess(prepared, {"logits": softmax(said["logits"])})
    assert rounded(found) != rounded(twice)


@pytest.mark.parametrize("kind", ["independent", "regression"])
def test_scores_that_no_task_can_serve_are_refused(folder: Path, kind: str) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"scores": "logits"', f'"scores": "{kind}"'))

    with pytest.raises(OwnerError, match="scores: Input should be 'logits' or 'probabilities'"):
        manifests.read(folder)


@pytest.mark.parametrize("scores", ["logits", "probabilities"])
def test_golden_scores_of_another_kind_are_refused(
    folder: Path, scores: Literal["logits", "probabilities"]
) -> None:
    kinds = {
        "logits": logits(),
        "probabilities": softmax(logits()).astype(np.float32),
        "independent": (1 / (1 + np.exp(-logits() - 1))).astype(np.float32),
    }
    for kind, values in kinds.items():
        say(folder, scores, values)
        if kind == scores or (kind, scores) == ("independent", "logits"):  # as logits may be
            continue
        with pytest.raises(OwnerError, match=rf'"scores" are "{scores}", and the golden ones'):
            verify.verify(folder)


def test_an_evaluation_reads_the_output_that_the_signature_names(folder: Path) -> None:
    values = np.random.default_rng(0).normal(size=logits().shape).astype(np.float32)
    manifest = say(folder, "probabilities", softmax(values).astype(np.float32))
    inputs, outputs = manifests.read_golden(folder)

    examples = Examples(inputs, outputs["named"].argmax(axis=-1))
    report = evaluation.judge_version(lambda _: outputs, manifest, examples)

    assert report.metrics[evaluation.METRIC] == 1
