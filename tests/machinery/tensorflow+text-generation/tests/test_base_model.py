"""Checkpoints with the names that Hugging Face gives to weights become models of ours."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import samples
from checkpoints import CONFIGS, write_checkpoint
from safetensors.numpy import load_file, save_file

from model import network
from model.preprocess import CHAT_TEMPLATE, TOKENIZER, Parameters
from service import manifest as manifests
from service import runtime
from service.errors import OwnerError
from service.framework import tf
from service.lifecycle import engine
from service.lifecycle.evaluate import evaluate, read_passed
from service.lifecycle.export import export
from service.lifecycle.source import Source, resolve
from service.lifecycle.start import from_checkpoint
from service.lifecycle.train import train
from service.manifest import Arrays

pytest_plugins = ["verify_fixtures"]
TOKENS = samples.TOKENS.encode("Grüße 👋🏽, 世界!").ids


@pytest.fixture(scope="module", params=CONFIGS)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder."""
    folder = tmp_path_factory.mktemp(request.param)
    write_checkpoint(folder, request.param)
    return folder


def load(folder: Path) -> network.Network:
    return network.from_checkpoint(folder, from_checkpoint(resolve(str(folder))).parameters)


def whole(model: network.Network) -> "np.ndarray[Any, np.dtype[np.float32]]":
    """``(T, vocabulary)``: what follows each of the tokens, all read at once by KerasHub's own."""
    return np.asarray(model.get_layer("decoder").read(tf.constant([TOKENS]))[0], np.float32)


def step(tokens: list[int], read: int, past: Any) -> Arrays:
    return {"tokens": np.array([tokens]), "lengths": np.array([read]), "past": past}


def test_every_variable_has_values_of_the_checkpoint_and_none_is_left_out(checkpoint: Path) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    expected = np.concatenate([array.ravel() for array in weights.values()])

    model = load(checkpoint)

    found = np.concatenate([np.ravel(variable.numpy()) for variable in model.weights])
    assert (np.sort(found) == np.sort(expected)).all()


def test_a_checkpoint_says_the_same_step_by_step(checkpoint: Path) -> None:
    parameters = from_checkpoint(resolve(str(checkpoint))).parameters
    model = load(checkpoint)
    expected = whole(model)
    assert np.ptp(expected) > 1, "The logits are too much alike to tell networks apart."

    first = engine.predict(
        model, parameters.signature(), step(TOKENS[:5], 0, parameters.empty_past(1))
    )
    rest = engine.predict(model, parameters.signature(), step(TOKENS[5:], 5, first["present"]))

    assert first["logits"][0] == pytest.approx(expected[4], abs=1e-4)
    assert rest["logits"][0] == pytest.approx(expected[-1], abs=1e-4)


@pytest.mark.usefixtures("verified_here")
def test_a_checkpoint_is_exported_as_it_is(checkpoint: Path, tmp_path: Path) -> None:
    facts = train(tmp_path / "candidate", Source(base_model=str(checkpoint)))
    found = evaluate(tmp_path / "candidate")
    folder, _ = export(tmp_path / "candidate", tmp_path / "default")

    assert (facts.epochs, facts.train_examples) == (0, 0)
    assert (found.metrics, found.required) == ({}, {})
    manifest = manifests.read(folder)
    parameters = Parameters.model_validate(manifest.parameters)
    assert parameters.end_tokens == (samples.END_TOKEN,)
    assert parameters.special_tokens == {"eos_token": samples.END}
    predict = runtime.load(folder, manifest, manifest.artefact(None), threads=1)
    answered = predict(step(TOKENS, 0, parameters.empty_past(1)))
    assert answered["logits"][0] == pytest.approx(whole(load(checkpoint))[-1], abs=1e-4)
    assert (folder / TOKENIZER).read_bytes() == (checkpoint / "tokenizer.json").read_bytes()
    if "chat_template" in (checkpoint / "tokenizer_config.json").read_text():
        assert (folder / CHAT_TEMPLATE).read_bytes() == samples.CHAT.encode()
    else:
        assert not (folder / CHAT_TEMPLATE).exists()


def test_a_checkpoint_learns_texts_of_ones_own(checkpoint: Path, tmp_path: Path) -> None:
    data = tmp_path / "texts.jsonl"
    data.write_text("".join(f'{{"text": "{number} bottles"}}\n' for number in range(20)))
    source = Source(base_model=str(checkpoint), data=data)

    facts = train(tmp_path / "candidate", source, epochs=2)
    found = evaluate(tmp_path / "candidate")

    assert (facts.epochs, facts.train_examples, found.held_out_examples) == (2, 18, 2)
    assert read_passed(tmp_path / "candidate") == found
    learnt = network.build(facts.parameters)
    engine.load(learnt, tmp_path / "candidate" / engine.WEIGHTS)
    assert np.abs(whole(learnt) - whole(load(checkpoint))).max() > 1e-4


def test_what_the_settings_of_an_older_checkpoint_leave_out_has_its_default(
    checkpoint: Path, tmp_path: Path
) -> None:
    for path in checkpoint.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((checkpoint / "config.json").read_bytes())
    config.pop("rope_parameters", None)
    (tmp_path / "config.json").write_text(json.dumps(config | {"rope_theta": 10_000.0}))
    said = whole(load(tmp_path))
    older = {
        name: value
        for name, value in config.items()
        if name not in {"resid_pdrop", "tie_word_embeddings"}
    }
    (tmp_path / "config.json").write_text(json.dumps(older))

    assert whole(load(tmp_path)) == pytest.approx(said, abs=1e-5)


def test_a_checkpoint_that_lacks_weights_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    del weights[next(name for name in weights if ".1.mlp." in name)]
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((checkpoint / name).read_bytes())
    save_file(weights, tmp_path / "model.safetensors")
    source = Source(base_model=str(tmp_path))

    with pytest.raises(OwnerError, match=r"weights of the base model in .* cannot be read"):
        source.network(from_checkpoint(resolve(str(tmp_path))).parameters, 0)


@pytest.mark.parametrize(
    ("family", "settings", "said"),
    [
        ("llama", {"rope_parameters": {"type": "linear", "factor": 2.0}}, "rope_type is 'linear'"),
        ("llama", {"rope_scaling": {"rope_type": "yarn"}, "rope_parameters": None}, "'yarn'"),
        ("llama", {"rope_parameters": {"partial_rotary_factor": 0.5}}, "partial_rotary_factor"),
        ("gpt2", {"activation_function": "relu"}, "activation_function is 'relu'"),
        ("mistral", {}, "model_type is 'mistral'; accepted: llama, gpt2"),
    ],
)
def test_what_a_step_cannot_do_is_refused_by_its_name(
    tmp_path: Path, family: str, settings: dict[str, Any], said: str
) -> None:
    write_checkpoint(tmp_path, family if family in CONFIGS else "llama")
    path = tmp_path / "config.json"
    config = {**json.loads(path.read_bytes()), "model_type": family, **settings}
    path.write_text(json.dumps(config))

    with pytest.raises(OwnerError, match=said):
        from_checkpoint(resolve(str(tmp_path)))


def test_a_network_that_reads_otherwise_step_by_step_is_refused(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = from_checkpoint(resolve(str(checkpoint))).parameters
    monkeypatch.setattr("service.decoders.attention", lambda query, _: query)

    with pytest.raises(OwnerError, match=r"a text of 256 tokens step by step .* nats"):
        Source(base_model=str(checkpoint)).network(parameters, 0)
