"""A base model that is not whole is refused with a sentence, before anything is written."""

import json
from pathlib import Path

import pytest
import samples

from service.lifecycle.__main__ import main
from service.lifecycle.source import Checkpoint, resolve

CONFIG = {"model_type": "unheard-of", "vocab_size": 10, "eos_token_id": 1}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint that is whole, but of a family that nobody knows."""
    samples.write_assets(tmp_path)
    folder = (tmp_path / "tokenizer").rename(tmp_path / "base")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "model.safetensors").write_bytes(b"")
    return folder


def refusal(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What is said to a training that starts from the base model."""
    candidate = folder.parent / "candidate"
    assert main(["train", "--base-model", str(folder), "--candidate", str(candidate)]) == 1
    assert not candidate.exists()
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert str(folder) in said or "The base model's" in said
    return said


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("config.json", "has no config.json"),
        ("tokenizer.json", "has no tokenizer.json"),
        ("model.safetensors", "has no weights as *.safetensors"),
    ],
)
def test_a_file_that_is_missing_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, what: str
) -> None:
    (folder / name).unlink()

    said = refusal(folder, capsys)

    assert what in said
    assert "save_pretrained" in said


def test_pickled_weights_are_not_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "model.safetensors").rename(folder / "model.bin")

    assert "has no weights as *.safetensors" in refusal(folder, capsys)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_file_that_cannot_be_read_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, content: str
) -> None:
    (folder / name).write_text(content)

    assert f"{folder / name}" in refusal(folder, capsys)


def test_a_family_that_is_not_known_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "unheard-of" in refusal(folder, capsys)


def test_a_checkpoint_reads_no_more_than_it_has_positions_for(folder: Path) -> None:
    assert resolve(str(folder)).max_length == 10**9
    (folder / "tokenizer_config.json").write_text('{"model_max_length": 384}')
    assert resolve(str(folder)).max_length == 384
    (folder / "config.json").write_text(json.dumps({**CONFIG, "max_position_embeddings": 128}))
    assert resolve(str(folder)).max_length == 128


@pytest.mark.parametrize(
    ("config", "length"),
    [
        ({"model_type": "roberta", "pad_token_id": 1}, 512),
        ({"model_type": "roberta"}, 512),
        ({"model_type": "xlm-roberta", "pad_token_id": 3}, 510),
        ({"model_type": "camembert", "pad_token_id": None}, 512),
        ({"model_type": "bert", "pad_token_id": 3}, 514),
    ],
)
def test_positions_that_begin_behind_padding_leave_fewer(
    config: dict[str, object], length: int
) -> None:
    config = {**config, "max_position_embeddings": 514}

    assert Checkpoint(Path(), config, {}, b"").max_length == length


def test_labels_are_those_of_a_head_in_the_order_of_its_outputs() -> None:
    labels = {str(number): f"label {number}" for number in (10, 9, 0)}
    config = {"architectures": ["BertForSequenceClassification"], "id2label": labels}
    checkpoint = Checkpoint(Path(), config, {}, b"")

    assert checkpoint.labels("ForSequenceClassification") == ["label 0", "label 9", "label 10"]
    assert checkpoint.labels("ForTokenClassification") is None
