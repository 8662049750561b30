"""The GPT-class network, one step of it, and how it learns. Knows nothing of texts or formats.

The starter's configuration is :data:`STARTER`.
"""

import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import ml_dtypes  # noqa: F401 - lets NumPy read bfloat16
import numpy as np
import numpy.typing as npt
from safetensors import safe_open

from model.preprocess import Parameters
from service.decoders import Backbone, Decoder
from service.errors import OwnerError
from service.families import family_of
from service.framework import keras, tf
from service.manifest import Arrays
from service.training import UNKNOWN, Recipe

Network: TypeAlias = Any
"""A ``keras.Model`` around a :class:`service.decoders.Decoder`; Keras carries no types."""

STARTER: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
}


def configure(base: Path | None, vocabulary_size: int) -> dict[str, Any]:
    """What a network is built from: a checkpoint's configuration, or the starter's.

    Args:
        base: folder of the checkpoint.
        vocabulary_size: of the starter's tokenizer.
    """
    if base is None:
        return {**STARTER, "vocab_size": vocabulary_size}
    config: dict[str, Any] = json.loads((base / "config.json").read_bytes())
    return config


def dimensions(network: dict[str, Any]) -> dict[str, int]:
    """The sizes of :class:`model.preprocess.Parameters` that follow from a configuration."""
    family = family_of(network)
    options = family.options(network)
    heads = options.get("num_query_heads") or options["num_heads"]
    return {
        "context_length": network[family.context_length],
        "vocabulary_size": options["vocabulary_size"],
        "layers": options["num_layers"],
        "heads": options.get("num_key_value_heads") or heads,
        "head_size": options["hidden_dim"] // heads,
    }


def build(parameters: Parameters, _label_count: int = 0) -> Network:
    """A network that has learnt nothing yet.

    Returns:
        A model with the inputs and outputs of one step, as ``Parameters.signature`` has them.

    Raises:
        OwnerError: the base model is of a family, or has settings, that are not known here.
    """
    family = family_of(parameters.network)
    return _model(family.backbone(**family.options(parameters.network)), parameters)


def from_checkpoint(folder: Path, parameters: Parameters, _label_count: int = 0) -> Network:
    """A network with a checkpoint's weights.

    Raises:
        OwnerError: as for :func:`build`.
    """
    family = family_of(parameters.network)
    options = family.options(parameters.network)
    with _completed(folder, family.defaults(parameters.network)) as preset:
        network = _model(family.backbone.from_preset(str(preset), **options), parameters)
    head = _decoder(network).head
    if head is not None:
        head.kernel.assign(_tensor(folder, "lm_head.weight").T)
    return network


def train(
    network: Network,
    batches: Iterable[tuple[Arrays, npt.NDArray[np.int64]]],
    steps: int,
    recipe: Recipe,
) -> Iterator[float]:
    """Train *network* on one batch after the other.

    Args:
        network: changed in place.
        batches: ``{"tokens": (N, T) int64}`` and ``(N, T)`` tokens that follow each, or ``UNKNOWN``
            where nothing is to be learnt.
        steps: how many batches there are.
        recipe: how fast it learns.

    Yields:
        The loss of each batch.
    """
    decoder = _decoder(network)
    optimiser = keras.optimizers.AdamW(weight_decay=recipe.weight_decay, global_clipnorm=1.0)
    optimiser.build(network.trainable_variables)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=UNKNOWN
    )

    @tf.function(input_signature=_WHOLE_TEXTS)  # type: ignore[untyped-decorator]
    def learn(tokens: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = cross_entropy(targets, decoder.read(tokens, training=True))
        gradients = tape.gradient(loss, network.trainable_variables)
        optimiser.apply(gradients, network.trainable_variables)
        return loss

    for step, (inputs, targets) in enumerate(batches):
        optimiser.learning_rate = recipe.learning_rate(step, steps)
        yield float(learn(tf.constant(inputs["tokens"]), tf.constant(targets)))


def judge(
    network: Network, inputs: Arrays, targets: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """How well *network* foresees texts.

    Args:
        network: that is judged.
        inputs: ``{"tokens": (N, T) int64}``.
        targets: ``(N, T)``: the tokens that follow each.

    Returns:
        Both ``(N, T)``: the negative log-likelihood of each target in nats, 0 where it is
        ``UNKNOWN``, and whether it was the most likely token.
    """
    logits = _decoder(network).read(tf.constant(inputs["tokens"]))
    known = targets != UNKNOWN
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(np.where(known, targets, 0), logits)
    hits = tf.argmax(logits, axis=-1).numpy() == targets
    return np.where(known, losses.numpy(), 0), hits


_WHOLE_TEXTS = (
    tf.TensorSpec((None, None), tf.int64, name="tokens"),
    tf.TensorSpec((None, None), tf.int64, name="targets"),
)


def _model(backbone: Backbone, parameters: Parameters) -> Network:
    """A model that can be saved, around *backbone*."""
    config = parameters.network
    # KerasHub's GPT-2 knows no weights of a head's own; its Llama does, among the embeddings.
    is_gpt2 = config["model_type"] == "gpt2"
    has_own_head = is_gpt2 and not config.get("tie_word_embeddings", True)
    inputs = {
        entry.name: keras.Input(entry.shape[1:], dtype=entry.dtype, name=entry.name)
        for entry in parameters.signature().inputs
    }
    decoder = Decoder(backbone, has_own_head=has_own_head, name="decoder")
    return keras.Model(inputs, decoder(**inputs))


@contextmanager
def _completed(folder: Path, defaults: dict[str, Any]) -> Iterator[Path]:
    """A folder like *folder*, whose ``config.json`` has *defaults* where it says nothing."""
    config = json.loads((folder / "config.json").read_bytes())
    with tempfile.TemporaryDirectory() as name:
        completed = Path(name)
        for path in folder.iterdir():
            if path.name != "config.json":
                (completed / path.name).symlink_to(path.resolve())
        (completed / "config.json").write_text(json.dumps(defaults | config))
        yield completed


def _decoder(network: Network) -> Decoder:
    decoder: Decoder = network.get_layer("decoder")
    return decoder


def _tensor(folder: Path, name: str) -> npt.NDArray[Any]:
    """One tensor of a checkpoint, whichever of its files it lies in."""
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="np") as file:
            if name in file.keys():  # noqa: SIM118 - it is no dictionary
                return np.asarray(file.get_tensor(name))
    raise OwnerError(f'The base model in "{folder}" has no weights called {name}.')
