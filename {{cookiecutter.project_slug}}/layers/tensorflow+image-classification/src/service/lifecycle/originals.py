"""Trained models that TensorFlow runs, read and made ready for an export."""

import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from service.errors import OwnerError
from service.framework import keras, tf
from service.lifecycle.engine import EXPORTERS, Exporter
from service.owner import Parameters, network
from service.runtime import quiet
from service.saved_models import check_saved_model

Run: TypeAlias = Callable[[Any], Any]


class Original:
    """A trained network.

    Args:
        run: tensors ``(N, H, W, C) float32`` to the one tensor of scores.
        parameters: of the images.
        loaded: what has the variables, where *run* is no Keras model.
    """

    exporters: Mapping[str, tuple[str, Exporter]] = EXPORTERS

    def __init__(self, run: Run, parameters: Parameters, loaded: Any = None) -> None:
        self._run, self._loaded = run, loaded
        self._shape = (parameters.height, parameters.width, parameters.channels)

    def predict(self, images: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        try:
            # As one graph: run step by step, each step's memory is kept.
            run = tf.function(self._run, autograph=False)
            found: npt.NDArray[Any] = run(tf.constant(images)).numpy()
        except OwnerError:
            raise
        except Exception as error:
            raise OwnerError(
                f"The model does not run on images {self._shape}: {_first_line(error)}"
            ) from error
        return found

    def network(self, scores: str, *, is_single: bool) -> Any:
        """What is called as a Keras model is, from ``{"image": ...}`` to ``{scores: ...}``."""

        def answer(image: Any) -> dict[str, Any]:
            found = self._run(image)
            if is_single:
                other = found * 0 if scores == "logits" else 1 - found
                found = keras.ops.concatenate([other, found], axis=1)
            return {scores: found}

        if self._loaded is not None:
            return _Served(answer, self._loaded)
        image = keras.Input(self._shape, name="image")
        named = {name: keras.layers.Identity(name=name)(x) for name, x in answer(image).items()}
        return keras.Model({"image": image}, named)


class _Served(tf.Module):  # type: ignore[misc] # TensorFlow has no types
    """Keeps the variables of what was *loaded* beside what runs it."""

    def __init__(self, answer: Callable[[Any], dict[str, Any]], loaded: Any) -> None:
        super().__init__()
        self.answer, self.loaded = answer, loaded

    def __call__(self, inputs: Mapping[str, Any], *, training: bool) -> dict[str, Any]:
        del training  # it was saved as it answers
        return self.answer(inputs["image"])


def read_keras(path: Path, parameters: Parameters, _label_count: int) -> Original:
    """A Keras model, with the layers that src/model/network.py registers."""
    return Original(_by_layout(_keras_model(path), parameters), parameters)


def take_weights(built: Any, path: Path, label_count: int) -> None:
    """Let *built* begin with the weights of the Keras model at *path*, but for another head."""
    if path.is_dir():
        raise OwnerError(
            f'BASE_MODEL is "{path}"; a Keras model is accepted, .keras or .h5, as '
            f"model.save(path) writes it, or .weights.h5."
        )
    if path.name.endswith(".weights.h5"):
        _take_file(built, path, label_count)
        return
    theirs, ours = _keras_model(path).weights, built.weights
    body = list(ours)
    shapes = [tuple(each.shape) for each in theirs]
    if [tuple(each.shape) for each in ours] != shapes:  # a head of other labels learns anew
        while body and len(ours) - len(body) < 2 and body[-1].shape[-1] == label_count:  # noqa: PLR2004
            body.pop()
    for number, own in enumerate(body):
        their = shapes[number] if number < len(shapes) else "nothing"
        if tuple(own.shape) != their:
            raise OwnerError(
                f'BASE_MODEL is "{path}", which has the weights of another network than build() in '
                f"src/model/network.py makes: {own.path} is {tuple(own.shape)}, and there {their}. "
                f"Only a head that ends in the {label_count} labels may differ. Build what was "
                f"trained there."
            )
    for own, their in zip(body, theirs, strict=False):
        own.assign(their)


def _take_file(built: Any, path: Path, label_count: int) -> None:
    """The same with weights alone, which have the places of their layers and no names."""
    import h5py  # noqa: PLC0415 - Keras brings it

    arrays: list[tuple[str, Any]] = []
    begun = [(each, each.numpy()) for each in built.weights if "float" in each.dtype]
    for each, value in begun:
        each.assign(np.full_like(value, np.nan))
    try:
        with h5py.File(path) as file:
            file.visititems(lambda name, each: arrays.append((name, getattr(each, "dtype", None))))
        with quiet(), warnings.catch_warnings(action="ignore"):
            built.load_weights(path, skip_mismatch=True)
    except Exception as error:
        raise OwnerError(f'"{path}" is broken: {_first_line(error)}') from error
    held = [name for name, dtype in arrays if dtype and dtype.kind == "f"]
    held = [name for name in held if not name.startswith("optimizer")]
    if len(held) > len(begun):
        raise OwnerError(
            f'BASE_MODEL is "{path}", which has {len(held)} arrays of weights; build() in '
            f"src/model/network.py makes {len(begun)}. Build what was trained there."
        )
    lacking = [(each, value) for each, value in begun if np.isnan(each.numpy()).any()]
    names = [each.path for each, _ in lacking]
    of_labels = all(each.shape[-1] == label_count for each, _ in lacking)
    if not of_labels or len({name.rpartition("/")[0] for name in names}) > 1:
        raise OwnerError(
            f'BASE_MODEL is "{path}", which has the weights of another network than build() in '
            f"src/model/network.py makes: {', '.join(names[:3])}{', ...' * (len(names) > 3)} "  # noqa: PLR2004
            f"({len(names)} in all) are missing there or have another shape. Only a head that ends "
            f"in the {label_count} labels may differ. Build what was trained there."
        )
    for each, value in lacking:
        each.assign(value)


def _keras_model(path: Path) -> Any:
    _ = network  # whose layers are registered by its import
    layers = {layer.__name__: layer for layer in keras.saving.get_custom_objects().values()}
    try:
        with quiet():
            options = {"safe_mode": True} if path.suffix == ".keras" else {}
            return keras.models.load_model(path, layers, compile=False, **options)
    except Exception as error:
        if unknown := re.search(r"(?:locate class|Unknown layer:?) '?(\w+)", str(error)):
            raise OwnerError(
                f'"{path}" has a layer {unknown[1]}, which is not of Keras. Put its class into '
                f"src/model/network.py, with @keras.saving.register_keras_serializable() above it."
            ) from None
        raise OwnerError(
            f'"{path}" does not load: {type(error).__name__}: {_first_line(error)}'
        ) from error


def read_weights(path: Path, parameters: Parameters, label_count: int) -> Original:
    """Weights alone, in the owner's network."""
    built = network.build(parameters, label_count)
    try:
        with quiet():
            built.load_weights(path)
    except Exception as error:
        raise OwnerError(
            f'"{path}" has the weights of another network than build() in src/model/network.py '
            f"makes, or is broken: {_first_line(error)} Put what was trained there."
        ) from error
    return Original(_by_layout(built, parameters), parameters)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _by_layout(model: Any, parameters: Parameters) -> Run:
    """*model* on images ``(N, H, W, C)``, be it that it reads ``(N, C, H, W)``."""
    shape = tuple(model.inputs[0].shape) if getattr(model, "inputs", None) else ()
    is_channels_first = len(shape) == 4 and shape[3] != shape[1] == parameters.channels  # noqa: PLR2004
    names = model.input if isinstance(getattr(model, "input", None), dict) else None

    def run(images: Any) -> Any:
        given = keras.ops.transpose(images, (0, 3, 1, 2)) if is_channels_first else images
        return _only(model({next(iter(names)): given} if names else given, training=False))

    return run


def _only(found: Any) -> Any:
    """The one tensor of what a model gives."""
    while isinstance(found, dict | list | tuple):
        if len(found) != 1:
            each = found.values() if isinstance(found, dict) else found
            shapes = ", ".join(str(tuple(tensor.shape)) for tensor in each)
            raise OwnerError(
                f"The model gives {len(found)} outputs: {shapes}. This service takes a classifier, "
                f"which gives one, a score for each label: no boxes, masks or features."
            )
        found = next(iter(found.values())) if isinstance(found, dict) else found[0]
    return found


class SavedModel:
    """The SavedModel in a folder, by its signature.

    Raises:
        OwnerError: it has no signature, or not one input.
    """

    def __init__(self, path: Path) -> None:
        check_saved_model(path)
        try:
            self._model = tf.saved_model.load(str(path))
        except Exception as error:
            raise OwnerError(f'"{path}" does not load: {_first_line(error)}') from error
        names = list(self._model.signatures)
        if not names:
            raise OwnerError(
                f'"{path}" has no signature. Write it by model.export("folder"), or give '
                f"tf.saved_model.save signatures."
            )
        name = "serving_default" if "serving_default" in names else names[0]
        self._graph = self._model.signatures[name]
        inputs = self._graph.structured_input_signature[1]
        if len(inputs) != 1:
            raise OwnerError(
                f'"{path}" has {len(inputs)} inputs in its signature "{name}": '
                f"{', '.join(inputs)}. This service gives it one, the images."
            )
        self._name, self._spec = next(iter(inputs.items()))
        self.sizes = self._spec.shape.as_list() if self._spec.shape.rank is not None else None

    @property
    def reads_bytes(self) -> bool:
        """Whether a pixel goes in as 0 to 255."""
        return bool(self._spec.dtype == tf.uint8)

    def read(self, parameters: Parameters, _label_count: int) -> Original:
        """The model, which reads images as *parameters* say."""
        sizes = self.sizes or [None] * 4
        is_channels_first = sizes[3] != sizes[1] == parameters.channels

        def run(images: Any) -> Any:
            given = tf.transpose(images, (0, 3, 1, 2)) if is_channels_first else images
            given = tf.cast(tf.round(given) if self.reads_bytes else given, self._spec.dtype)
            if sizes[0] is None:
                return self._scores(given)
            # Made for batches of one size: each image goes in with copies of itself.
            return tf.map_fn(
                lambda image: self._scores(tf.stack([image] * sizes[0]))[0],
                given,
                fn_output_signature=tf.float32,
            )

        return Original(run, parameters, self._model)

    def _scores(self, batch: Any) -> Any:
        found = _only(self._graph(**{self._name: batch}))
        return tf.cast(found, tf.float32) if found.dtype.is_floating else found
