"""Texts with entities become examples, or a sentence says why not."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model import data
from service.errors import OwnerError
from service.lifecycle import evaluation
from service.lifecycle.labelled import COPIES, Labelled, Mark, read, with_other_names
from service.lifecycle.source import Source
from service.lifecycle.start import start
from service.lifecycle.train import batches
from service.tags import tags_of
from service.training import UNKNOWN, Dataset, Examples

TAGS = tags_of(["LOC", "PER"])


@pytest.fixture(scope="module")
def starter() -> Dataset:
    return data.load(Source())


def line(text: str, *marks: tuple[int, int, str]) -> str:
    entities = [{"start": first, "end": end, "label": label} for first, end, label in marks]
    return json.dumps({"text": text, "entities": entities}, ensure_ascii=False)


LINES = [line(f"Ada left {number}.", (0, 3, "PER")) for number in range(20)]


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines))
    return path


def labelled(text: str, **names: str) -> Labelled:
    """*text*, whose entities are *names*, each by its label."""
    places = sorted((text.index(name), name, label) for label, name in names.items())
    marks = [Mark(start=at, end=at + len(name), label=label) for at, name, label in places]
    return Labelled(text=text, entities=tuple(marks))


def test_the_starter_shares_no_text_between_its_halves(starter: Dataset) -> None:
    train, held_out = read(data.STARTER)

    assert not {each.text for each in train} & {each.text for each in held_out}
    assert len(starter.held_out) == len(held_out)
    known = {tag for tag in np.unique(starter.held_out.targets).tolist() if tag != UNKNOWN}
    assert known == set(range(len(starter.labels)))


def test_a_file_is_split_the_same_way_each_time_and_a_text_counts_once(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", *LINES, "", LINES[3])

    train, held_out = read(file)

    assert (len(train), len(held_out)) == (15, 5)
    assert not set(train) & set(held_out)
    assert read(file) == (train, held_out)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("{", "the line: Invalid JSON"),
        ('{"text": "a"}', "entities: Field required"),
        (line("Ada", (-1, 3, "PER")), r"entities\.0\.start: "),
        (line("Ada", (0, 3, "")), r"entities\.0\.label: "),
        (line("Ada", (0, 4, "PER")), "at 0 to 4.* text of 3 characters"),
        (line("Ada", (2, 2, "PER")), "at 2 to 2"),
        (line("🙂 Ada", (3, 6, "PER")), "at 3 to 6.* text of 5 characters"),
        (line("Ada of Turin", (0, 5, "PER"), (4, 12, "LOC")), "at 4 to 12.* do not overlap"),
        (line("Ada of Turin", (7, 12, "LOC"), (0, 3, "PER")), "at 0 to 3.* in order"),
        (line(" "), "the text is empty"),
        (line("a\0b"), "character 1 is NUL"),
    ],
)
def test_a_line_that_is_no_example_is_named_by_its_number(
    tmp_path: Path, wrong: str, reason: str
) -> None:
    file = write(tmp_path / "a.jsonl", *LINES, "", wrong)

    with pytest.raises(OwnerError, match=rf'a\.jsonl", line 22: .*{reason}'):
        read(file)


def test_too_few_texts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OwnerError, match="has 19 texts; at least 20"):
        read(write(tmp_path / "a.jsonl", *LINES[1:], LINES[1]))


def test_texts_without_any_entity_are_refused(tmp_path: Path) -> None:
    lines = [line(f"Nobody left {number}.") for number in range(20)]

    with pytest.raises(OwnerError, match="has no entities"):
        read(write(tmp_path / "a.jsonl", *lines))


def test_halves_that_share_a_text_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", *LINES)
    write(tmp_path / "held-out.jsonl", line("Another"), line("Ada left 4."))

    with pytest.raises(OwnerError, match=r"shares 1 texts with.*'Ada left 4\.'"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("example", "tags"),
    [
        (labelled("Ada Lovelace left Turin.", PER="Ada Lovelace", LOC="Turin"), "BP IP O BL O"),
        (labelled("Ada O'Brien left", PER="Ada O'Brien"), "BP IP IP IP O"),
        (labelled("(O'Brien)", PER="O'Brien"), "O BP IP IP O"),
        (labelled("🙂🙂 Turin 👩‍👩‍👧", LOC="Turin"), "O BL O"),
        (labelled("Turin🙂", LOC="Turin"), "BL"),  # one word to the tokenizer
        (labelled("left\u00a0Turin\r\n", LOC="Turin"), "O BL"),
        (labelled("Ada-left", PER="Ada"), "BP O O"),
        (labelled("Adaleft", PER="Ada"), "BP"),  # a word has one tag
        (labelled("Ada Turin", PER="Ada", LOC="Turin"), "BP BL"),
    ],
)
def test_each_word_has_its_tag_at_its_first_token(example: Labelled, tags: str) -> None:
    begun = start(None, [example.text], vocabulary_size=100, lowercase=False)

    examples = data._examples(begun.encoder(), [example], TAGS)  # noqa: SLF001

    found = examples.targets[0]
    assert found[0] == UNKNOWN  # [CLS]
    short = {"BP": "B-PER", "IP": "I-PER", "BL": "B-LOC"}
    expected = [short.get(tag, tag) for tag in tags.split()]
    assert [TAGS[tag] for tag in found[found != UNKNOWN]] == expected


def test_copies_have_other_names_of_the_same_label_in_the_same_places() -> None:
    examples = [
        labelled("🙂 Ada left Turin.", PER="Ada", LOC="Turin"),
        labelled("Grace Hopper spoke.", PER="Grace Hopper"),
        labelled("Nobody spoke."),
    ]

    copies = with_other_names(examples)

    assert len(copies) == 2 * COPIES
    said = set()
    for copy in copies:
        names = [copy.text[mark.start : mark.end] for mark in copy.entities]
        said.add(copy.text)
        assert names in (["Ada", "Turin"], ["Grace Hopper", "Turin"], ["Ada"], ["Grace Hopper"])
    assert "🙂 Grace Hopper left Turin." in said
    assert "Ada spoke." in said
    assert with_other_names(examples) == copies


def test_batches_cut_targets_as_they_cut_texts(starter: Dataset) -> None:
    recipe = replace(data.FROM_SCRATCH, epochs=1)

    given = list(batches(starter.held_out, recipe, seed=1))

    assert all(inputs["input_ids"].shape == targets.shape for inputs, targets in given)
    known = sum(int((targets != UNKNOWN).sum()) for _, targets in given)
    assert known == (starter.held_out.targets != UNKNOWN).sum()


def test_metrics_over_entities_are_as_worked_out_by_hand() -> None:
    """A place is found; a person is cut short, so neither half of that answer is right."""
    true = np.array([[UNKNOWN, 3, 4, 0, 1, UNKNOWN], [UNKNOWN, 0, 0, UNKNOWN, 1, UNKNOWN]])
    given = np.array([[0, 3, 0, 0, 1, 3], [3, 0, 3, 3, 1, 0]])
    logits = 100 * np.eye(len(TAGS), dtype=np.float32)[given]

    report = evaluation.report(TAGS, Examples({}, true), {"logits": logits})

    assert report.counts["LOC"] == evaluation.Counts(right=2, given=2, true=2)
    assert report.counts["PER"] == evaluation.Counts(right=0, given=2, true=1)
    assert report.metrics == {
        "entity_f1": pytest.approx(4 / 7),
        "entity_precision": 2 / 4,
        "entity_recall": pytest.approx(2 / 3),
    }
    assert "| LOC | 2 | 1.000 | 1.000 | 1.000 |" in report.details
    assert "| PER | 1 | 0.000 | 0.000 | 0.000 |" in report.details


def test_nothing_is_measured_where_no_right_answer_is_known() -> None:
    examples = Examples({}, np.full((1, 3), UNKNOWN))

    report = evaluation.report(TAGS, examples, {"logits": np.zeros((1, 3, len(TAGS)))})

    assert report.metrics == {}
    assert "nothing was measured" in report.details
