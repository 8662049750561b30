"""What the file of a trained model says, before TensorFlow is imported: refusals come at once."""

import json
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from service.errors import OwnerError
from service.lifecycle.original import Found, Model, image_of
from service.owner import Parameters

ACCEPTED = (
    "Accepted are a Keras model (.keras, .h5), the weights of the network in src/model/network.py "
    "(.weights.h5), and the folder of a SavedModel."
)
_HDF5 = b"\x89HDF"
_RAW = {"scale": 1 / 255}
"""A pixel goes in as 0 to 255."""


def geometry(_preprocessing: str, _side: int) -> dict[str, Any]:
    """How images are fitted: as ``tf.image.resize`` and ``image_dataset_from_directory`` do."""
    return {"resampling": "bilinear", "antialias": False}


def find(path: Path) -> Found:
    """What the file or folder at *path* is, and says.

    Raises:
        OwnerError: it is nothing that is read safely, or is no classifier of images.
    """
    if not path.exists():
        raise OwnerError(f'FROM is "{path}", which is not there. {ACCEPTED}')
    if path.is_dir():
        return _folder(path)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if "config.json" in archive.namelist():
                return _keras(path, json.loads(archive.read("config.json")))
    with path.open("rb") as file:
        is_hdf5 = file.read(4) == _HDF5
    if path.suffix == ".onnx":
        raise OwnerError(
            f'FROM is "{path}", an ONNX model, which TensorFlow does not run. Save what it was '
            f"made of as a SavedModel; or generate the repository with the template's other "
            f"backend, which serves ONNX as it is."
        )
    if not is_hdf5:
        raise OwnerError(f'FROM is "{path}", which is of no format that is read here. {ACCEPTED}')
    import h5py  # noqa: PLC0415 - Keras brings it

    with h5py.File(path) as file:
        config = file.attrs.get("model_config")
    if config is None:
        kind = "A file of weights"
        return Found(kind, ("saved_model", "keras", "h5"), partial(_read, "weights", path))
    return _keras(path, json.loads(config))


find_base = find
"""A network to start from is told apart as one to import is."""


def local(path: Path) -> Path:
    """*path*: no models of Keras are taken from a hub."""
    return path


def _read(kind: str, path: Path, parameters: Parameters, label_count: int) -> Model:
    from service.lifecycle import originals  # noqa: PLC0415 - TensorFlow, which refusals do not need

    model: Model = getattr(originals, f"read_{kind}")(path, parameters, label_count)
    return model


def _folder(path: Path) -> Found:
    if not (path / "saved_model.pb").is_file():
        raise OwnerError(f'FROM is "{path}", a folder without a saved_model.pb. {ACCEPTED}')
    from service.lifecycle.originals import SavedModel  # noqa: PLC0415

    model = SavedModel(path)
    kind = "A SavedModel"
    return Found(
        kind,
        ("saved_model",),
        model.read,
        parameters=_RAW if model.reads_bytes else None,
        **(image_of(kind, model.sizes, is_channels_first=False) if model.sizes else {}),
    )


def _keras(path: Path, config: dict[str, Any]) -> Found:
    """A Keras model, by its configuration."""
    kind = f"A Keras model ({path.suffix})"
    parts = list(_walk(config))
    if lambdas := [_name(part) for part in parts if part["class_name"] == "Lambda"]:
        raise OwnerError(
            f'"{path}" has a Lambda layer, "{lambdas[0]}": Python code, which is not loaded. Put '
            f"what it does into a layer of its own, a class in src/model/network.py with "
            f"@keras.saving.register_keras_serializable(), and save the model again."
        )
    layers = config["config"].get("layers", [])
    inputs = [_name(layer) for layer in layers if layer["class_name"] == "InputLayer"]
    if len(inputs) > 1:
        raise OwnerError(
            f'"{path}" has {len(inputs)} inputs: {", ".join(inputs)}. This service gives it one, '
            f"the images."
        )
    outputs = config["config"].get("output_layers") or []
    if len(outputs) > 1 and isinstance(outputs[0], list):
        names = ", ".join(str(each[0]) for each in outputs)
        raise OwnerError(
            f'"{path}" has {len(outputs)} outputs: {names}. This service takes a classifier, which '
            f"gives one, a score for each label: no boxes, masks or features."
        )
    shapes = [config.get("build_config", {}).get("input_shape")]
    for part in parts:
        shapes += [part["config"].get(name) for name in ("batch_shape", "batch_input_shape")]
    shape = next((shape for shape in shapes if shape), None)
    last = layers[-1] if layers else {"config": {}}
    while last["config"].get("layers"):
        last = last["config"]["layers"][-1]
    activation = last["config"].get("activation")
    scores = {"softmax": "probabilities", "sigmoid": "independent", "linear": "logits"}
    units = last["config"].get("units")
    is_raw = any(part["class_name"] == "Rescaling" for part in parts)
    return Found(
        kind,
        ("saved_model", "keras", "h5"),
        partial(_read, "keras", path),
        label_count=units if isinstance(units, int) else None,
        scores=scores.get(activation) if isinstance(activation, str) else None,
        parameters=_RAW if is_raw else None,
        **(image_of(kind, shape, is_channels_first=False) if shape else {}),
    )


def _walk(part: Any) -> Iterator[dict[str, Any]]:
    """Each layer, and model, in a configuration."""
    if isinstance(part, dict):
        if isinstance(part.get("config"), dict) and isinstance(part.get("class_name"), str):
            yield part
        for value in part.values():
            yield from _walk(value)
    elif isinstance(part, list):
        for value in part:
            yield from _walk(value)


def _name(layer: dict[str, Any]) -> str:
    return str(layer["config"].get("name") or layer.get("name"))
