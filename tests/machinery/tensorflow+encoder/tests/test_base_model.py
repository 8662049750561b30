"""Checkpoints with the names that Hugging Face gives to weights become models of ours."""

import json
import re
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
import samples
from safetensors.numpy import load_file, save_file

from model import data, network
from service import manifest as manifests
from service import runtime
from service.errors import OwnerError
from service.lifecycle import engine
from service.lifecycle.evaluate import evaluate, read_passed
from service.lifecycle.export import export
from service.lifecycle.source import Source, resolve
from service.lifecycle.start import Start, start
from service.lifecycle.train import train

pytest_plugins = ["verify_fixtures"]
Weights: TypeAlias = dict[str, npt.NDArray[np.float32]]

WIDTH, INNER, LAYERS = 32, 48, 2
CONFIGS: dict[str, dict[str, Any]] = {
    "bert": {
        "architectures": [f"Bert{data.HEAD}"],
        "hidden_size": WIDTH,
        "intermediate_size": INNER,
        "num_attention_heads": 4,
        "num_hidden_layers": LAYERS,
    },
    "distilbert": {
        "architectures": [f"DistilBert{data.HEAD}"],
        "dim": WIDTH,
        "hidden_dim": INNER,
        "n_heads": 4,
        "n_layers": LAYERS,
    },
}
EMBEDDINGS = {"word_embeddings": 200, "position_embeddings": 64, "token_type_embeddings": 2}
LAYER = {
    "bert": {
        "encoder.layer.{}.attention.self.query": (WIDTH, WIDTH),
        "encoder.layer.{}.attention.self.key": (WIDTH, WIDTH),
        "encoder.layer.{}.attention.self.value": (WIDTH, WIDTH),
        "encoder.layer.{}.attention.output.dense": (WIDTH, WIDTH),
        "encoder.layer.{}.attention.output.LayerNorm": (WIDTH,),
        "encoder.layer.{}.intermediate.dense": (INNER, WIDTH),
        "encoder.layer.{}.output.dense": (WIDTH, INNER),
        "encoder.layer.{}.output.LayerNorm": (WIDTH,),
    },
    "distilbert": {
        "transformer.layer.{}.attention.q_lin": (WIDTH, WIDTH),
        "transformer.layer.{}.attention.k_lin": (WIDTH, WIDTH),
        "transformer.layer.{}.attention.v_lin": (WIDTH, WIDTH),
        "transformer.layer.{}.attention.out_lin": (WIDTH, WIDTH),
        "transformer.layer.{}.sa_layer_norm": (WIDTH,),
        "transformer.layer.{}.ffn.lin1": (INNER, WIDTH),
        "transformer.layer.{}.ffn.lin2": (WIDTH, INNER),
        "transformer.layer.{}.output_layer_norm": (WIDTH,),
    },
}
"""Modules of one layer, and the shapes of their weights: outputs before inputs."""


def random_weights(family: str) -> Weights:
    """All weights of a checkpoint, no two of which are alike."""
    shapes: dict[str, tuple[int, ...]] = {
        f"{family}.embeddings.{name}.weight": (count, WIDTH)
        for name, count in EMBEDDINGS.items()
        if family == "bert" or name != "token_type_embeddings"
    }
    head = "pre_classifier" if family == "distilbert" else "bert.pooler.dense"
    modules = {
        f"{family}.embeddings.LayerNorm": (WIDTH,),
        **{
            f"{family}.{name.format(layer)}": shape
            for layer in range(LAYERS)
            for name, shape in LAYER[family].items()
        },
        head: (WIDTH, WIDTH),
        "classifier": (len(samples.LABELS), WIDTH),
    }
    for name, shape in modules.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    random = np.random.default_rng(0)
    return {name: random.normal(0, 0.2, shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.fixture(scope="module", params=CONFIGS)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder, with the task's head."""
    folder = tmp_path_factory.mktemp(request.param)
    samples.write_assets(folder)
    (folder / "tokenizer" / "tokenizer.json").rename(folder / "tokenizer.json")
    config = {
        "model_type": request.param,
        "vocab_size": EMBEDDINGS["word_embeddings"],
        "max_position_embeddings": EMBEDDINGS["position_embeddings"],
        "id2label": dict(enumerate(samples.LABELS)),
        **CONFIGS[request.param],
    }
    (folder / "config.json").write_text(json.dumps(config))
    save_file(random_weights(request.param), folder / "model.safetensors")
    return folder


def with_weights(checkpoint: Path, folder: Path, weights: Weights) -> Path:
    """A copy of *checkpoint* in *folder* that has other weights."""
    for name in ("config.json", "tokenizer.json"):
        (folder / name).write_bytes((checkpoint / name).read_bytes())
    save_file(weights, folder / "model.safetensors")
    return folder


def start_from(folder: Path) -> Start:
    return start(resolve(str(folder)), [], vocabulary_size=0, lowercase=False)


def load(folder: Path, label_count: int = len(samples.LABELS)) -> network.Network:
    return network.from_checkpoint(folder, start_from(folder).parameters, label_count)


def values(array: Any) -> bytes:
    """What *array* holds, whatever its shape and the order of its axes."""
    return np.sort(np.asarray(array, np.float32), axis=None).tobytes()


def test_every_variable_has_the_values_of_a_weight_of_its_own(checkpoint: Path) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    names = {values(array): name for name, array in weights.items()}

    model = load(checkpoint)

    found = [names[values(variable)] for variable in model.weights]
    assert len(set(found)) == len(found)
    left = weights.keys() - set(found)
    assert all(name.startswith("pre_classifier.") for name in left)
    kernel = model.get_layer("logits").kernel.numpy()
    assert (kernel == weights["classifier.weight"].T).all()


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
    encoder = start_from(checkpoint).encoder()
    texts = [samples.VALUE, samples.OTHER_VALUE]
    inputs = encoder.pad([encoder.encode(text).encoding.ids for text in texts])
    expected = engine.predict(load(checkpoint), manifest.signature, inputs)["logits"]
    assert np.ptp(expected) > 0.3, "The logits are too much alike to tell networks apart."
    predict = runtime.load(folder, manifest, manifest.artefact(None), threads=1)
    assert predict(inputs)["logits"] == pytest.approx(expected, abs=1e-4)
    kept = (folder / "tokenizer" / "tokenizer.json").read_bytes()
    assert kept == (checkpoint / "tokenizer.json").read_bytes()


def test_a_checkpoint_learns_labels_of_ones_own(checkpoint: Path, tmp_path: Path) -> None:
    source = Source(base_model=str(checkpoint), data=data.STARTER)

    facts = train(tmp_path / "candidate", source, epochs=1)
    found = evaluate(tmp_path / "candidate", threshold=0)

    assert facts.labels != samples.LABELS
    assert facts.epochs == 1
    assert read_passed(tmp_path / "candidate") == found
    learnt = network.build(facts.parameters, len(facts.labels))
    engine.load(learnt, tmp_path / "candidate" / engine.WEIGHTS)
    before = load(checkpoint, len(facts.labels))
    (now,), (then,) = (
        [each for each in model.weights if "token_embedding/" in each.path]
        for model in (learnt, before)
    )
    assert now.shape == then.shape
    assert (now.numpy() != then.numpy()).any()


def test_names_of_the_first_checkpoints_are_known(checkpoint: Path, tmp_path: Path) -> None:
    """They say ``gamma`` and ``beta``, and have no prefix."""
    renamed = {}
    for name, array in load_file(checkpoint / "model.safetensors").items():
        old = re.sub(r"^(distil)?bert\.", "", name)
        old = re.sub(r"(LayerNorm|layer_norm)\.weight", r"\1.gamma", old)
        renamed[re.sub(r"(LayerNorm|layer_norm)\.bias", r"\1.beta", old)] = array

    old, new = load(with_weights(checkpoint, tmp_path, renamed)), load(checkpoint)

    for one, other in zip(old.weights, new.weights, strict=True):
        assert (one.numpy() == other.numpy()).all(), one.path


@pytest.mark.parametrize("length", [0, 1])
def test_a_checkpoint_that_lacks_a_weight_of_its_encoder_is_refused_by_its_name(
    checkpoint: Path, tmp_path: Path, length: int
) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    name = next(name for name in weights if name.endswith(("query.weight", "q_lin.weight")))
    cut = weights.pop(name)[:length]
    folder = with_weights(checkpoint, tmp_path, weights | ({name: cut} if length else {}))

    with pytest.raises(OwnerError, match=f"has no fitting {name.partition('.')[2]}"):
        load(folder)
