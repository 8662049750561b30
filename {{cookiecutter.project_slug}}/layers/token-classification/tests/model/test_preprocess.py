"""Token classification: a text -> the model's input, its output -> entities in the text."""

from pathlib import Path

import numpy as np
import pytest
import samples
from fake_version import write_fake_version

from model.preprocess import Task
from model.schemas import Prediction
from service import manifest as manifests
from service.errors import BadValue, ModelFailed, OwnerError
from service.settings import Settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A version that has a tokenizer."""
    return write_fake_version(tmp_path / "default")


def task_of(folder: Path, **settings: object) -> Task:
    return Task(folder, manifests.read(folder), Settings.model_validate(settings))


def answer(task: Task, text: str) -> Prediction:
    prepared = task.preprocess(text)
    return task.postprocess(prepared, samples.outputs(prepared.arrays))


def test_entities_stand_where_the_answer_says(folder: Path) -> None:
    prediction = answer(task_of(folder), "Ada Lovelace left Turin.")

    assert [(each.text, each.label) for each in prediction.prediction] == [
        ("Ada Lovelace", "PER"),
        ("Turin", "LOC"),
    ]
    assert prediction.prediction[0].score == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("🙂 Turin 🙂", ["Turin"]),
        ("👩\u200d👩\u200d👧 Turin", ["Turin"]),
        ("a\r\nTurin\r\n", ["Turin"]),
        ("\u05d0\u05d1 Turin \u202babc", ["Turin"]),
        ("e\u0301e\u0301 Ada\tLovelace", ["Ada\tLovelace"]),
        ("(Turin)", ["Turin"]),
        ("Turin, Turin", ["Turin", "Turin"]),
        ("日本 Turin 東京", ["Turin"]),
        ("Turin", ["Turin"]),
        ("Ada Lovelace Turin", ["Ada Lovelace", "Turin"]),
    ],
)
def test_offsets_are_those_of_the_callers_own_text(
    folder: Path, text: str, found: list[str]
) -> None:
    entities = answer(task_of(folder), text).prediction

    assert [text[each.start : each.end] for each in entities] == found
    assert [each.text for each in entities] == found


def test_combining_marks_behind_a_name_belong_to_it(folder: Path) -> None:
    """A tokenizer for lower case leaves them out of its tokens."""
    path = folder / "tokenizer" / "tokenizer.json"
    lower = path.read_text().replace('"strip_accents":null', '"strip_accents":true')
    path.write_text(lower)
    manifest = manifests.read(folder)
    manifests.write(manifest.model_copy(update={"files": manifests.digests(folder)}), folder)

    (entity,) = answer(task_of(folder), "left Turin\u0301\u0323.").prediction

    assert (entity.text, entity.start, entity.end) == ("Turin\u0301\u0323", 5, 12)


def test_only_the_first_token_of_a_word_has_a_say(folder: Path) -> None:
    """``Adafor`` is the tokens ``Ada`` and ``##f`` ``##o`` ``##r``."""
    (entity,) = answer(task_of(folder), "Adafor left").prediction

    assert entity.text == "Adafor"


def test_a_long_text_is_cut_and_the_answer_says_so(folder: Path) -> None:
    prediction = answer(task_of(folder), "Turin " * 50)

    assert prediction.truncated
    assert len(prediction.prediction) == 14
    assert prediction.prediction[-1].end == 83


def test_a_long_text_is_refused_where_the_owner_wants_that(folder: Path) -> None:
    with pytest.raises(BadValue, match="52 tokens; at most 16 are accepted"):
        task_of(folder, long_text="refuse").preprocess("Turin " * 50)


@pytest.mark.parametrize(
    "logits",
    [
        np.zeros((16, 4), np.float32),
        np.zeros((3, 5), np.float32),
        np.zeros(16, np.float32),
        np.full((16, 5), np.nan, np.float32),
    ],
)
def test_outputs_that_fit_no_tags_are_a_failure_of_the_model(
    folder: Path, logits: np.ndarray[tuple[int, ...], np.dtype[np.float32]]
) -> None:
    task = task_of(folder)

    with pytest.raises(ModelFailed):
        task.postprocess(task.preprocess("Ada left Turin"), {"logits": logits})


def test_a_tokenizer_that_was_changed_is_refused_by_name(folder: Path) -> None:
    path = folder / "tokenizer" / "tokenizer.json"
    path.write_bytes(path.read_bytes() + b" ")

    with pytest.raises(OwnerError, match=r"tokenizer\.json.* bytes"):
        task_of(folder)
