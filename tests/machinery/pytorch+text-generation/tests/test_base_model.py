"""Checkpoints as transformers saves them become models that answer as transformers does."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import samples
import torch
from checkpoints import CONFIGS, LENGTHS, write_checkpoint
from references import greedy, write
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

from model import network
from model.preprocess import CHAT_TEMPLATE, TOKENIZER, Parameters
from service import manifest as manifests
from service import runtime
from service.errors import OwnerError
from service.lifecycle import engine
from service.lifecycle.evaluate import evaluate, read_passed
from service.lifecycle.export import export
from service.lifecycle.source import Checkpoint, Source, resolve
from service.lifecycle.start import from_checkpoint
from service.lifecycle.train import train
from service.manifest import Arrays

pytest_plugins = ["verify_fixtures"]
SIZES: dict[str, Any] = {
    "vocab_size": samples.TOKENS.get_vocab_size(),
    "eos_token_id": samples.END_TOKEN,
    "bos_token_id": None,
    "initializer_range": 0.2,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {
        **SIZES,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "num_hidden_layers": 2,
        "max_position_embeddings": 128,
    },
    "gpt2": {**SIZES, "n_embd": 32, "n_head": 4, "n_layer": 2, "n_positions": 128},
}
TOKENS = samples.TOKENS.encode("Grüße 👋🏽, 世界!").ids


@pytest.fixture(scope="module", params=FAMILIES)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder; that of the Llama has a chat template."""
    folder = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(0)
    config = AutoConfig.for_model(request.param, **FAMILIES[request.param])
    model = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    model.save_pretrained(folder)
    samples.TOKENS.save(str(folder / "tokenizer.json"), pretty=False)
    settings: dict[str, Any] = {"eos_token": {"content": samples.END}}
    if request.param == "llama":
        settings["chat_template"] = samples.CHAT
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def logits_of_transformers(folder: Path) -> "np.ndarray[Any, np.dtype[np.float32]]":
    """``(T, vocabulary)``: what follows each of the tokens."""
    model = AutoModelForCausalLM.from_pretrained(folder)
    with torch.inference_mode():
        found = model(input_ids=torch.tensor([TOKENS])).logits[0].numpy()
    assert np.ptp(found) > 1, "The logits are too much alike to tell networks apart."
    return np.asarray(found, np.float32)


def step(tokens: list[int], read: int, past: Any) -> Arrays:
    return {"tokens": np.array([tokens]), "lengths": np.array([read]), "past": past}


def test_a_checkpoint_answers_as_in_transformers_step_by_step(checkpoint: Path) -> None:
    parameters = from_checkpoint(resolve(str(checkpoint))).parameters
    model = network.from_checkpoint(checkpoint, parameters)
    expected = logits_of_transformers(checkpoint)

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
    expected = logits_of_transformers(checkpoint)[-1]
    assert answered["logits"][0] == pytest.approx(expected, abs=1e-4)
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
    before = network.from_checkpoint(checkpoint, facts.parameters).state_dict()
    learnt = network.build(facts.parameters)
    engine.load(learnt, tmp_path / "candidate" / engine.WEIGHTS)
    assert any(not torch.equal(before[name], array) for name, array in learnt.state_dict().items())


def test_a_checkpoint_that_lacks_a_weight_is_refused_by_its_name(
    checkpoint: Path, tmp_path: Path
) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    name = next(name for name in sorted(weights) if ".1.mlp." in name)
    del weights[name]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    for other in ("config.json", "tokenizer.json"):
        (tmp_path / other).write_bytes((checkpoint / other).read_bytes())
    parameters = from_checkpoint(resolve(str(tmp_path))).parameters

    with pytest.raises(OwnerError, match=f"has no fitting {name}"):
        network.from_checkpoint(tmp_path, parameters)


@pytest.mark.parametrize(
    ("family", "settings", "said"),
    [
        ("llama", {"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}, "rope_type.*dynamic"),
        ("gemma3_text", {"use_bidirectional_attention": True}, "use_bidirectional_attention"),
        ("lfm2", {"layer_types": ["conv", "full_attention"]}, "layer_types.*conv"),
        ("t5", {}, "is_encoder_decoder"),
        ("mamba", {}, "layer_types.*linear_attention"),
        ("gemma3", {}, "model_type is 'gemma3'"),
    ],
)
def test_what_a_step_cannot_do_is_refused_by_its_name(
    tmp_path: Path, family: str, settings: dict[str, Any], said: str
) -> None:
    sizes = {**FAMILIES["llama"], **settings} if settings else {}
    AutoConfig.for_model(family, **sizes).save_pretrained(tmp_path)
    checkpoint = Checkpoint(tmp_path, json.loads((tmp_path / "config.json").read_bytes()), {}, b"")

    with pytest.raises(OwnerError, match=said):
        from_checkpoint(checkpoint)


def test_a_network_that_reads_otherwise_step_by_step_is_refused(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "masks", _all)
    parameters = from_checkpoint(resolve(str(checkpoint))).parameters

    with pytest.raises(OwnerError, match=r"a text of 128 tokens step by step .* nats"):
        Source(base_model=str(checkpoint)).network(parameters, 0)


def _all(_config: object, lengths: torch.Tensor, new: int, read: int) -> torch.Tensor:
    return torch.zeros(len(lengths), 1, new, read + new)


def test_a_network_with_fewer_positions_than_it_says_is_refused(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, "gpt2")
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"n_positions": 300}))
    parameters = from_checkpoint(resolve(str(tmp_path))).parameters

    with pytest.raises(OwnerError, match="has no fitting"):
        Source(base_model=str(tmp_path)).network(parameters, 0)


@pytest.mark.parametrize("family", CONFIGS)
@pytest.mark.parametrize("length", LENGTHS)
def test_what_the_other_library_is_held_to_is_what_transformers_says(
    tmp_path: Path, family: str, length: int
) -> None:
    known = json.loads(Path(__file__).with_name("greedy.json").read_text())
    write(tmp_path, family)

    assert known[family][str(length)] == greedy(tmp_path, family, length)
