"""Text classification: a text -> the model's input, its output -> an answer."""

from pathlib import Path

import numpy as np
import pytest
from fake_version import write_fake_version

from model.preprocess import Task
from service import manifest as manifests
from service.errors import BadValue, ModelFailed, OwnerError
from service.settings import Settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A version that has a tokenizer."""
    return write_fake_version(tmp_path / "default")


def task_of(folder: Path, **settings: object) -> Task:
    return Task(folder, manifests.read(folder), Settings.model_validate(settings))


def test_the_most_likely_label_comes_first(folder: Path) -> None:
    task = task_of(folder)
    logits = np.array([0.0, np.log(3.0)], np.float32)

    prediction = task.postprocess(task.preprocess("a shout"), {"logits": logits})

    assert prediction.prediction == "loud"
    assert prediction.score == pytest.approx(0.75)
    assert [each.label for each in prediction.scores] == ["loud", "calm"]
    assert not prediction.truncated


def test_an_answer_has_no_more_labels_than_asked_for(folder: Path) -> None:
    task = task_of(folder, top_k=1)

    prediction = task.postprocess(task.preprocess("a"), {"logits": np.zeros(2, np.float32)})

    assert len(prediction.scores) == 1


def test_a_long_text_is_cut_and_the_answer_says_so(folder: Path) -> None:
    task = task_of(folder)
    prepared = task.preprocess("noise " * 50)

    prediction = task.postprocess(prepared, {"logits": np.zeros(2, np.float32)})

    assert prepared.arrays["input_ids"].shape == (16,)
    assert prediction.truncated


def test_a_long_text_is_refused_where_the_owner_wants_that(folder: Path) -> None:
    task = task_of(folder, long_text="refuse")

    assert not task.preprocess("noise " * 14).truncated
    with pytest.raises(BadValue, match="17 tokens; at most 16 are accepted"):
        task.preprocess("noise " * 15)


@pytest.mark.parametrize("logits", [[0.0], [0.0, 1.0, 2.0], [np.nan, 0.0], [np.inf, 0.0]])
def test_outputs_that_fit_no_label_are_a_failure_of_the_model(
    folder: Path, logits: list[float]
) -> None:
    task = task_of(folder)

    with pytest.raises(ModelFailed):
        task.postprocess(task.preprocess("a"), {"logits": np.array(logits, np.float32)})


def test_a_tokenizer_that_was_changed_is_refused_by_name(folder: Path) -> None:
    path = folder / "tokenizer" / "tokenizer.json"
    path.write_bytes(path.read_bytes() + b" ")

    with pytest.raises(OwnerError, match=r"tokenizer\.json.* bytes"):
        task_of(folder)
