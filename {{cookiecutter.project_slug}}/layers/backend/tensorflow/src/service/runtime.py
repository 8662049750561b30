"""Runs an exported model in this process. Knows nothing of tasks, training or HTTP."""

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from service.errors import OwnerError
from service.framework import keras, tf
from service.manifest import Arrays, Artefact, Manifest, Signature

Predict: TypeAlias = Callable[[Arrays], Arrays]
"""Named inputs of a batch to its named outputs. To be called from one thread."""

Loader: TypeAlias = Callable[[Path, Manifest], Predict]
"""Path of the artefact, the version's manifest."""


def load(folder: Path, manifest: Manifest, artefact: Artefact, threads: int) -> Predict:
    """Load *artefact* of the model version in *folder*.

    Args:
        folder: the version's.
        manifest: the version's; its files are taken to be checked.
        artefact: one of the manifest's.
        threads: threads for one inference, at least 1.

    Raises:
        OwnerError: no loader for the format, or the file does not load.
    """
    if artefact.format not in LOADERS:
        accepted = ", ".join(LOADERS)
        raise OwnerError(f'Format "{artefact.format}" is not one of those served: {accepted}.')
    _limit_threads(threads)
    try:
        return LOADERS[artefact.format](folder / artefact.path, manifest)
    except Exception as error:  # Keras and TensorFlow raise many kinds for a broken file
        raise OwnerError(
            f'"{folder / artefact.path}" does not load as "{artefact.format}". '
            f"{type(error).__name__}: {error}"
        ) from error


def predictor(model: Callable[[dict[str, Any]], dict[str, Any]], signature: Signature) -> Predict:
    """Let *model*, which takes and gives named tensors, take named arrays."""
    specification = {
        entry.name: tf.TensorSpec(entry.shape, entry.dtype, name=entry.name)
        for entry in signature.inputs
    }
    # One graph for batches of every length.
    graph = tf.function(model, input_signature=[specification]).get_concrete_function()
    return _named(lambda **tensors: graph(tensors), signature)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence what Keras says of formats that are wanted all the same, or of its own insides."""
    log = logging.getLogger("absl")
    level = log.level
    log.setLevel(logging.ERROR)  # "HDF5 is considered legacy"
    try:
        with warnings.catch_warnings():
            # Keras's variables and NumPy 2.
            warnings.filterwarnings("ignore", r"__array__ implementation", DeprecationWarning)
            yield
    finally:
        log.setLevel(level)


def _load_saved_model(path: Path, manifest: Manifest) -> Predict:
    model = tf.saved_model.load(str(path))
    graph = model.signatures["serving_default"]

    def run(**tensors: Any) -> dict[str, Any]:
        _ = model  # whose variables the graph uses without holding them
        outputs: dict[str, Any] = graph(**tensors)
        return outputs

    return _named(run, manifest.signature)


def _load_keras(path: Path, manifest: Manifest) -> Predict:
    # safe_mode: no Python code out of the file
    with quiet():
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    return predictor(lambda inputs: model(inputs, training=False), manifest.signature)


LOADERS: dict[str, Loader] = {
    "saved_model": _load_saved_model,
    "keras": _load_keras,
    "h5": _load_keras,
}


def _named(graph: Callable[..., dict[str, Any]], signature: Signature) -> Predict:
    def predict(batch: Arrays) -> Arrays:
        tensors = {entry.name: tf.constant(batch[entry.name]) for entry in signature.inputs}
        outputs = graph(**tensors)
        return {entry.name: outputs[entry.name].numpy() for entry in signature.outputs}

    return predict


def _limit_threads(threads: int) -> None:
    with contextlib.suppress(RuntimeError):  # TensorFlow runs already: too late in this process
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    # A GPU's TF32 would give other answers than the CPU, from the third digit on.
    tf.config.experimental.enable_tensor_float_32_execution(enabled=False)
