"""Checkpoints as transformers saves them become models that answer as transformers does."""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import samples
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig

from model import data, network
from service import manifest as manifests
from service import runtime
from service.errors import OwnerError
from service.lifecycle import engine
from service.lifecycle.evaluate import evaluate, read_passed
from service.lifecycle.export import export
from service.lifecycle.source import Checkpoint, Source, resolve
from service.lifecycle.start import Start, start
from service.lifecycle.train import train
from service.manifest import Arrays

pytest_plugins = ["verify_fixtures"]
AutoModelForTask: Any = vars(network)["AutoModelForTask"]

SIZES: dict[str, Any] = {
    "vocab_size": 200,
    "max_position_embeddings": 64,
    "initializer_range": 0.2,
    "num_labels": len(samples.LABELS),
    "id2label": dict(enumerate(samples.LABELS)),
}
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": {
        **SIZES,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
    },
    "roberta": {
        **SIZES,
        "max_position_embeddings": 66,  # two of them are behind the padding token
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
    },
    "distilbert": {**SIZES, "dim": 32, "hidden_dim": 48, "n_heads": 4, "n_layers": 2},
}
TEXTS = [samples.VALUE, samples.OTHER_VALUE]


@pytest.fixture(scope="module", params=FAMILIES)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder, with the task's head."""
    folder = tmp_path_factory.mktemp(request.param)
    samples.write_assets(folder)
    torch.manual_seed(0)
    config = AutoConfig.for_model(request.param, **FAMILIES[request.param])
    model = AutoModelForTask.from_config(config)  # type: ignore[no-untyped-call,unused-ignore]
    model.save_pretrained(folder)
    (folder / "tokenizer" / "tokenizer.json").rename(folder / "tokenizer.json")
    return folder


def start_from(folder: Path) -> Start:
    return start(resolve(str(folder)), [], vocabulary_size=0, lowercase=False)


def inputs(folder: Path) -> Arrays:
    """Texts of unequal length, as one batch."""
    encoder = start_from(folder).encoder()
    return encoder.pad([encoder.encode(text).encoding.ids for text in TEXTS])


def logits_of_transformers(folder: Path) -> "np.ndarray[Any, np.dtype[np.float32]]":
    model = AutoModelForTask.from_pretrained(folder)
    tensors = {name: torch.from_numpy(array) for name, array in inputs(folder).items()}
    with torch.inference_mode():
        found = model(**tensors).logits.numpy()
    assert np.ptp(found) > 0.3, "The logits are too much alike to tell networks apart."
    return np.asarray(found, np.float32)


@pytest.mark.usefixtures("verified_here")
def test_a_checkpoint_is_exported_as_it_is(checkpoint: Path, tmp_path: Path) -> None:
    facts = train(tmp_path / "candidate", Source(base_model=str(checkpoint)))
    found = evaluate(tmp_path / "candidate")
    folder, _ = export(tmp_path / "candidate", tmp_path / "default")

    assert (facts.epochs, facts.train_examples) == (0, 0)
    assert (found.metrics, found.required) == ({}, {})
    manifest = manifests.read(folder)
    assert manifest.labels == samples.LABELS
    assert manifest.parameters["max_length"] == 64
    predict = runtime.load(folder, manifest, manifest.artefact(None), threads=1)
    answered = predict(inputs(checkpoint))["logits"]
    assert answered == pytest.approx(logits_of_transformers(checkpoint), abs=1e-4)
    kept = (folder / "tokenizer" / "tokenizer.json").read_bytes()
    assert kept == (checkpoint / "tokenizer.json").read_bytes()


def test_pickled_weights_and_a_vocabulary_are_taken_too(checkpoint: Path, tmp_path: Path) -> None:
    older = Path(shutil.copytree(checkpoint, tmp_path / "older"))
    torch.save(load_file(older / "model.safetensors"), older / "pytorch_model.bin")
    (older / "model.safetensors").unlink()
    if checkpoint.name.startswith(("bert", "distilbert")):  # RoBERTa's has merges, and a test's not
        original = json.loads((older / "tokenizer.json").read_bytes())
        case = {"do_lower_case": original["normalizer"]["lowercase"]}
        vocabulary = original["model"]["vocab"]
        lines = sorted(vocabulary, key=vocabulary.__getitem__)
        (older / "vocab.txt").write_text("\n".join(lines), encoding="utf-8")
        (older / "tokenizer.json").unlink()
        (older / "tokenizer_config.json").write_text(json.dumps(case), encoding="utf-8")

    found = start_from(older).encoder()
    same = network.from_checkpoint(older, start_from(older).parameters, len(samples.LABELS))

    for text in TEXTS:
        expected = start_from(checkpoint).encoder().encode(text).encoding.ids
        assert found.encode(text).encoding.ids == expected
    weights = load_file(checkpoint / "model.safetensors")
    assert all(torch.equal(same.model.state_dict()[name], weights[name]) for name in weights)


def test_a_pickle_that_is_more_than_weights_is_refused_unread(
    checkpoint: Path, tmp_path: Path
) -> None:
    older = Path(shutil.copytree(checkpoint, tmp_path / "older"))
    (older / "model.safetensors").unlink()
    (older / "pytorch_model.bin").write_bytes(pickle.dumps(Path.touch))

    with pytest.raises(OwnerError, match=r"is a pickle that names .*: to load it would run code"):
        resolve(str(older))


def test_a_head_for_other_labels_begins_anew_and_the_encoder_does_not(checkpoint: Path) -> None:
    weights = load_file(checkpoint / "model.safetensors")

    model = network.from_checkpoint(checkpoint, start_from(checkpoint).parameters, 7).model

    assert model.config.num_labels == 7
    assert model.classifier.out_features == 7
    prefix = f"{model.base_model_prefix}."
    encoder = {name: array for name, array in weights.items() if name.startswith(prefix)}
    assert len(encoder) > 20
    assert all(torch.equal(model.state_dict()[name], array) for name, array in encoder.items())


def test_a_checkpoint_learns_labels_of_ones_own(checkpoint: Path, tmp_path: Path) -> None:
    source = Source(base_model=str(checkpoint), data=data.STARTER)

    facts = train(tmp_path / "candidate", source, epochs=1)
    found = evaluate(tmp_path / "candidate", threshold=0)

    assert facts.labels != samples.LABELS
    assert facts.epochs == 1
    assert read_passed(tmp_path / "candidate") == found
    before = network.from_checkpoint(checkpoint, facts.parameters, len(facts.labels)).state_dict()
    learnt = network.build(facts.parameters, len(facts.labels))
    engine.load(learnt, tmp_path / "candidate" / engine.WEIGHTS)
    name = next(name for name in before if name.endswith("word_embeddings.weight"))
    assert not torch.equal(before[name], learnt.state_dict()[name])


def test_a_checkpoint_that_reads_less_than_it_promises_is_refused(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Checkpoint, "max_length", 67)
    source = Source(base_model=str(checkpoint))

    with pytest.raises(OwnerError, match="cannot read a text of 67 tokens"):
        source.network(start_from(checkpoint).parameters, len(samples.LABELS))


@pytest.mark.parametrize("spoil", [lambda _: None, lambda array: array[:1].clone()])
def test_a_checkpoint_that_lacks_a_weight_of_its_encoder_is_refused_by_its_name(
    checkpoint: Path, tmp_path: Path, spoil: Any
) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    name = next(name for name in sorted(weights) if name.endswith(("q_lin.weight", "query.weight")))
    changed = {**weights, name: spoil(weights[name])}
    kept = {each: array for each, array in changed.items() if array is not None}
    save_file(kept, tmp_path / "model.safetensors", {"format": "pt"})
    for other in ("config.json", "tokenizer.json"):
        (tmp_path / other).write_bytes((checkpoint / other).read_bytes())

    with pytest.raises(OwnerError, match=f"has no fitting {name}"):
        network.from_checkpoint(tmp_path, start_from(tmp_path).parameters, len(samples.LABELS))
