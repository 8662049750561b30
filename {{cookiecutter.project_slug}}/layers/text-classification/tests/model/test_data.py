"""Labelled texts become examples, or a sentence says why not."""

import codecs
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import samples

from model import data
from service.errors import OwnerError
from service.lifecycle import evaluation
from service.lifecycle.labelled import Labelled, read
from service.lifecycle.source import Source
from service.lifecycle.train import batch_count, batches
from service.training import UNKNOWN, Dataset, Examples

ROWS = [f"{label} text {number},{label}" for label in ("calm", "loud") for number in range(8)]


@pytest.fixture(scope="module")
def starter() -> Dataset:
    return data.load(Source())


def write(path: Path, *rows: str, header: str = "text,label") -> Path:
    path.write_text("\n".join([header, *rows]))
    return path


def test_the_starter_has_all_labels_in_both_halves_and_no_text_in_two(starter: Dataset) -> None:
    assert len(starter.train) == 1125
    assert len(starter.held_out) == 250
    assert np.bincount(starter.held_out.targets).tolist() == [50] * 5
    train, held_out = read(data.STARTER)
    assert not {each.text.lower() for each in train} & {each.text.lower() for each in held_out}


def test_the_starter_is_the_same_every_time(starter: Dataset) -> None:
    assert data.load(Source()).sha256() == starter.sha256()


def test_a_file_is_split_by_label_and_what_is_said_twice_counts_once(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", *ROWS, ROWS[2])

    train, held_out = read(file)

    assert sorted(each.label for each in held_out) == ["calm"] * 2 + ["loud"] * 2
    assert len(train) == 12
    assert not set(train) & set(held_out)
    assert read(file) == (train, held_out)
    found = data.load(Source(data=file))
    assert found.labels == ["calm", "loud"]
    assert found.train.targets.tolist() == [["calm", "loud"].index(each.label) for each in train]


def test_files_as_spreadsheets_write_them_are_read(tmp_path: Path) -> None:
    rows = [f'{label},"a ""quoted"",\r\n{label} 🙂 {n}",x' for label in "ab" for n in range(8)]
    content = "\r\n".join(["label,text,more", *rows])
    (tmp_path / "a.csv").write_bytes(codecs.BOM_UTF8 + content.encode())

    train, held_out = read(tmp_path / "a.csv")

    assert Labelled('a "quoted",\r\nb 🙂 7', "b") in [*train, *held_out]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",loud", "line 19: the text is empty"),
        ("a,", "line 19: the label is empty"),
        ("a", "line 19: the label is empty"),
        ("Hello, world,loud", "line 19: more columns than the first line names. .* quotes"),
        ("a\0b,loud", "line 19: character 1 is NUL"),
        (ROWS[0].replace(",calm", ",loud"), "line 19: the text has the label 'loud' here and 'cal"),
        ('"a,loud', "is not a CSV file in UTF-8: unexpected end of data"),
    ],
)
def test_a_row_that_is_no_example_is_named_by_its_line(
    tmp_path: Path, row: str, reason: str
) -> None:
    """Lines are counted as an editor counts them, those inside of quotes too."""
    with pytest.raises(OwnerError, match=rf'a\.csv".*{reason}'):
        read(write(tmp_path / "a.csv", '"two\nlines",loud', *ROWS[:15], row))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "has no column label and no column text"),
        (b"text;label\na;b", "has no column label and no column text"),
        (b"text\na", "has no column label;"),
        (b"text,label\n\xe9,b", "is not a CSV file in UTF-8"),
        (b"text,label\na,b", "has 1 labels; at least 2"),
    ],
)
def test_a_file_that_is_not_laid_out_as_it_should_be_is_refused(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "a.csv").write_bytes(content)

    with pytest.raises(OwnerError, match=reason):
        read(tmp_path / "a.csv")


def test_a_label_with_too_few_texts_is_named(tmp_path: Path) -> None:
    with pytest.raises(OwnerError, match="has 7 texts with the label 'calm'; at least 8"):
        read(write(tmp_path / "a.csv", *ROWS[1:]))


@pytest.mark.parametrize(
    ("row", "reason"),
    [(ROWS[4], "shares 1 texts with"), ("new,other", "has the label 'other', which")],
)
def test_halves_that_do_not_fit_are_refused(tmp_path: Path, row: str, reason: str) -> None:
    write(tmp_path / "train.csv", *ROWS)
    write(tmp_path / "held-out.csv", "another,calm", row)

    with pytest.raises(OwnerError, match=reason):
        read(tmp_path)


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({"problem_type": "multi_label_classification"}, "2 labels .*'multi_label_class"),
        ({"problem_type": "regression"}, "2 labels .*'regression'"),
        ({"id2label": {"0": "LABEL_0"}}, "1 labels .*None"),
    ],
)
def test_a_base_model_whose_head_names_no_label_is_refused(
    tmp_path: Path, config: dict[str, object], found: str
) -> None:
    samples.write_assets(tmp_path)
    (tmp_path / "tokenizer" / "tokenizer.json").rename(tmp_path / "tokenizer.json")
    (tmp_path / "model.safetensors").touch()
    whole = {"architectures": [f"Bert{data.HEAD}"], "model_type": "bert", **config}
    (tmp_path / "config.json").write_text(json.dumps(whole))

    with pytest.raises(OwnerError, match=rf"has {found}.* names one label"):
        data.load(Source(base_model=str(tmp_path)))


def test_batches_hold_every_text_once_an_epoch_and_no_padding_for_nobody(starter: Dataset) -> None:
    recipe = replace(data.FROM_SCRATCH, epochs=2)
    given = list(batches(starter.train, recipe, seed=1))

    assert len(given) == batch_count(starter.train, recipe) == 72
    targets = np.concatenate([targets for _, targets in given])
    assert (np.bincount(targets) == 2 * np.bincount(starter.train.targets)).all()
    tokens = sum(int(inputs["attention_mask"].sum()) for inputs, _ in given)
    assert tokens == 2 * starter.train.inputs["attention_mask"].sum()
    assert len({inputs["input_ids"].shape[1] for inputs, _ in given}) > 1


def test_accuracy_and_f1_are_as_worked_out_by_hand() -> None:
    logits = np.array([[1, 0], [1, 0], [0, 1], [1, 0], [0, 1]], np.float32)
    examples = Examples({}, np.array([0, 0, 1, 1, UNKNOWN]))

    report = evaluation.report(["calm", "loud"], examples, {"logits": logits})

    assert report.metrics["accuracy"] == pytest.approx(3 / 4)
    assert report.metrics["macro_f1"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert "| calm | 2 | 0.667 | 1.000 | 0.800 |" in report.details


def test_nothing_is_measured_where_no_right_answer_is_known(tmp_path: Path) -> None:
    examples = Examples({}, np.array([UNKNOWN]))

    report = evaluation.report(["calm", "loud"], examples, {"logits": np.zeros((1, 2))})

    assert report.metrics == {}
    assert "nothing was measured" in report.details
    report.draw(tmp_path)
    assert not list(tmp_path.iterdir())
