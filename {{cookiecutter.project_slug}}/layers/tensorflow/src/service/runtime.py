"""Runs an exported model in this process. Knows nothing of tasks, training or HTTP."""

import contextlib
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from service.errors import OwnerError
from service.framework import keras, tf
from service.manifest import Arrays, Artefact, Manifest, Signature
from service.saved_models import check_saved_model

ASKED = os.environ.get("DEVICE", "")
"""The device that the owner asks for; empty for a GPU where there is one."""

Graph: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
"""Named inputs, as tensors, to named outputs."""

Predict: TypeAlias = Callable[[Arrays], Arrays]
"""Named inputs of a batch to its named outputs. To be called from one thread."""

Loader: TypeAlias = Callable[[Path, Signature], Graph]
"""Path of the artefact, the model's signature."""


def load(folder: Path, manifest: Manifest, artefact: Artefact, threads: int) -> Predict:
    """Load *artefact* as :func:`load_graph` does, to be run with arrays."""
    return predictor(load_graph(folder, manifest, artefact, threads), manifest.signature)


def load_graph(folder: Path, manifest: Manifest, artefact: Artefact, threads: int) -> Graph:
    """Load *artefact* of the model version in *folder*, whose files are taken to be checked.

    ``OwnerError`` where there is no loader for the format, a library or DEVICE is missing, the file
    does not load, or it would do more than compute.
    """
    if artefact.format not in LOADERS:
        accepted = ", ".join(LOADERS)
        raise OwnerError(f'Format "{artefact.format}" is not one of those served: {accepted}.')
    limit_threads(threads)
    check_device()
    try:
        return LOADERS[artefact.format](folder / artefact.path, manifest.signature)
    except OwnerError:
        raise
    except Exception as error:  # Keras and TensorFlow raise many kinds for a broken file
        raise OwnerError(
            f'"{folder / artefact.path}" does not load as "{artefact.format}". '
            f"{type(error).__name__}: {error}"
        ) from error


def predictor(graph: Graph, signature: Signature) -> Predict:
    """Let *graph*, which takes and gives named tensors, take named arrays."""

    def predict(batch: Arrays) -> Arrays:
        tensors = {entry.name: tf.constant(batch[entry.name]) for entry in signature.inputs}
        outputs = graph(tensors)
        return {entry.name: outputs[entry.name].numpy() for entry in signature.outputs}

    return predict


def compiled(network: Callable[[dict[str, Any]], dict[str, Any]], signature: Signature) -> Graph:
    """One graph of *network* for batches of every length."""
    specification = {
        entry.name: tf.TensorSpec(entry.shape, entry.dtype, name=entry.name)
        for entry in signature.inputs
    }
    function = tf.function(network, input_signature=[specification]).get_concrete_function()

    def run(tensors: dict[str, Any]) -> dict[str, Any]:
        outputs: dict[str, Any] = function(**tensors)
        return outputs

    return run


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


def _load_saved_model(path: Path, _signature: Signature) -> Graph:
    check_saved_model(path)
    model = tf.saved_model.load(str(path))
    graph = model.signatures["serving_default"]

    def run(tensors: dict[str, Any]) -> dict[str, Any]:
        _ = model  # whose variables the graph uses without holding them
        outputs: dict[str, Any] = graph(**tensors)
        return outputs

    return run


def _load_keras(path: Path, signature: Signature) -> Graph:
    _register_layers()
    with quiet():
        # safe_mode: no Python code out of the file
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    return compiled(lambda inputs: model(inputs, training=False), signature)


def _load_h5(path: Path, signature: Signature) -> Graph:
    _register_layers()
    # This format has the names of layers without those of their packages.
    layers = {layer.__name__: layer for layer in keras.saving.get_custom_objects().values()}
    with quiet():
        model = keras.models.load_model(path, custom_objects=layers, compile=False, safe_mode=True)
    return compiled(lambda inputs: model(inputs, training=False), signature)


def _register_layers() -> None:
    """Make the network's own layers known to Keras."""
    try:
        from service.owner import network  # noqa: F401, PLC0415 - its libraries may be for training only
    except ImportError as error:
        raise OwnerError(
            f"This format needs {error.name}, which is not installed. Add it to the dependencies "
            "in pyproject.toml, or choose another format."
        ) from None


LOADERS: dict[str, Loader] = {
    "saved_model": _load_saved_model,
    "keras": _load_keras,
    "h5": _load_h5,
}


def check_device() -> None:
    """Refuse a device that was asked for and is not there, rather than compute on another."""
    if ASKED not in {"", "cpu", "cuda"}:
        raise OwnerError(f'DEVICE is {ASKED!r}; "cpu", "cuda" or nothing is accepted.')
    if ASKED == "cpu":
        with contextlib.suppress(RuntimeError):  # TensorFlow runs already: too late in this process
            tf.config.set_visible_devices([], "GPU")
    if ASKED == "cuda" and not tf.config.list_physical_devices("GPU"):
        why = "sees no GPU" if tf.test.is_built_with_cuda() else "was built for CPUs"
        raise OwnerError(
            f'DEVICE is "cuda", and TensorFlow {tf.__version__} {why}. Run it where a GPU is, in '
            'an image that was built with OVERLAY=gpu; or leave DEVICE empty, or say "cpu".'
        )


def limit_threads(threads: int) -> None:
    with contextlib.suppress(RuntimeError):  # TensorFlow runs already: too late in this process
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    # A GPU's TF32 would give other answers than the CPU, from the third digit on.
    tf.config.experimental.enable_tensor_float_32_execution(enabled=False)
