"""Models that run code, or read or write a file, where TensorFlow or Keras loads them.

Each leaves the file *marker* behind when it has its way; those that read leave nothing.
"""

import json
import shutil
import zipfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format
from tensorflow.core.protobuf import saved_model_pb2

from service.framework import keras, tf

h5py: Any = import_module("h5py")  # has no types

SAVED_MODEL = "saved_model.pb"


class Module(tf.Module):  # type: ignore[misc]  # has no types
    """A variable, and what a test puts on it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = tf.Variable([1.0, 2.0])


def write_saved_model(folder: Path, act: Callable[[], object] = lambda: None) -> None:
    """A SavedModel that doubles and adds, and does *act* on the way."""
    module = Module()

    def serve(x: Any) -> dict[str, Any]:
        act()
        return {"y": tf.where(x > 0, x * 2.0, x) + module.weight}

    function = tf.function(serve).get_concrete_function(x=tf.TensorSpec((None, 2), name="x"))
    tf.saved_model.save(module, str(folder), signatures={"serving_default": function})


def write_keras(path: Path) -> None:
    """An honest model of Keras; HDF5 where *path* ends so."""
    inputs = keras.Input((2,), name="x")
    outputs = keras.layers.Dense(2, name="y")(inputs)
    keras.Model({"x": inputs}, {"y": outputs}).save(path)


def _graph(act: Callable[[Path], object]) -> Callable[[Path, Path], None]:
    return lambda path, marker: write_saved_model(path, lambda: act(marker))


def _planted(marker: Path) -> np.int64:
    marker.touch()
    return np.int64(1)


def _dataset(marker: Path) -> None:
    elements = tf.data.Dataset.range(1).map(lambda _: tf.constant("x"))
    tf.raw_ops.DatasetToTFRecord(
        input_dataset=elements._variant_tensor,  # noqa: SLF001
        filename=str(marker),
        compression_type="",
    )


def _summary(marker: Path) -> None:
    writer = tf.raw_ops.SummaryWriter(shared_name="", container="")
    tf.raw_ops.CreateSummaryFileWriter(
        writer=writer, logdir=str(marker), max_queue=1, flush_millis=1, filename_suffix=""
    )


def _called_saver(path: Path, marker: Path) -> None:
    """The signature is what saves the variables, to a place of its own."""
    write_saved_model(path)
    document = _read(path)
    graph = document.meta_graphs[0]
    graph.signature_def["serving_default"].outputs["y"].name = graph.saver_def.save_tensor_name
    for node in graph.graph_def.node:
        if node.name == "saver_filename":
            node.Clear()
            node.name, node.op = "saver_filename", "Const"
            node.attr["dtype"].type = tf.string.as_datatype_enum
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(str(marker)))
    (path / SAVED_MODEL).write_bytes(document.SerializeToString())


def _table_from_file(path: Path, marker: Path) -> None:
    """Whoever loads it reads a file into a table."""
    words = marker.parent / "words.txt"
    words.write_text("one\ntwo\n")
    module = Module()
    line, number = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
    initializer = tf.lookup.TextFileInitializer(str(words), tf.string, line, tf.int64, number)
    module.table = tf.lookup.StaticHashTable(initializer, -1)
    function = tf.function(lambda x: {"y": x + module.weight})
    specification = tf.TensorSpec((None, 2), name="x")
    tf.saved_model.save(module, str(path), signatures=function.get_concrete_function(specification))


def _read(folder: Path) -> Any:
    document = saved_model_pb2.SavedModel()
    document.ParseFromString((folder / SAVED_MODEL).read_bytes())
    return document


def _text_beside(path: Path, marker: Path) -> None:
    """Two graphs: which is loaded depends on who loads."""
    write_saved_model(path, lambda: tf.io.write_file(str(marker), "x"))
    hostile = text_format.MessageToString(_read(path))
    shutil.rmtree(path)
    write_saved_model(path)
    (path / "saved_model.pbtxt").write_text(hostile)


def _lambda(marker: Path) -> Any:
    return keras.layers.Lambda(
        eval(f"lambda x: x if open({str(marker)!r}, 'w').close() else x", {})  # noqa: S307
    )


def _code(path: Path, marker: Path) -> None:
    """A layer that is Python's bytecode."""
    keras.Sequential([keras.Input((2,), name="x"), _lambda(marker)]).save(path)
    marker.unlink(missing_ok=True)


def _config(change: Callable[[Any, Path], object]) -> Callable[[Path, Path], None]:
    """A ``.keras`` with another configuration."""

    def write(path: Path, marker: Path) -> None:
        write_keras(path)
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        config = json.loads(members["config.json"])
        change(config, marker)
        members["config.json"] = json.dumps(config).encode()
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)

    return write


def _layer(module: str, class_name: str, **config: Any) -> Callable[[Any, Path], None]:
    """One layer more, of any class; ``{marker}`` in its configuration is the path."""

    def change(whole: Any, marker: Path) -> None:
        text = json.dumps(config).replace("{marker}", str(marker))
        layer = {
            "module": module,
            "class_name": class_name,
            "config": json.loads(text),
            "registered_name": class_name,
            "name": "more",
            "inbound_nodes": [],
        }
        whole["config"]["layers"].append(layer)

    return change


def _instead(module: str, class_name: str, config: Any) -> Callable[[Any, Path], None]:
    """The whole is a function or class of any module."""

    def change(whole: Any, marker: Path) -> None:
        text = json.dumps(config).replace("{marker}", str(marker))
        whole.clear()
        whole |= {"module": module, "class_name": class_name, "config": json.loads(text)}
        whole |= {"registered_name": None}

    return change


def _unsafe_first(whole: Any, marker: Path) -> None:
    """A function of Keras that allows bytecode, before a layer of bytecode."""
    allowing = {
        "module": "keras.config",
        "class_name": "function",
        "config": "enable_unsafe_deserialization",
        "registered_name": "enable_unsafe_deserialization",
    }
    layers = whole["config"]["layers"]
    layers.insert(0, {**allowing, "name": "first", "inbound_nodes": []})
    layer = keras.saving.serialize_keras_object(_lambda(marker))
    layers.append({**layer, "name": "more", "inbound_nodes": []})


def _saved_model_layer(path: Path, marker: Path) -> None:
    """A layer that loads a SavedModel from a path, which writes a file."""
    folder = marker.parent / "inner"
    write_saved_model(folder, lambda: tf.io.write_file(str(marker), "x"))
    change = _layer("keras.layers", "TFSMLayer", filepath=str(folder), name="more")
    _config(change)(path, marker)


def _linked_weights(path: Path, marker: Path) -> None:
    """Weights that are a link to another file."""
    write_keras(path)
    secret = marker.parent / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["kernel"] = np.ones((2, 2), np.float32)
    with h5py.File(path, "r+") as file:
        name = next(n for n in _names(file["model_weights"]) if n.endswith("kernel"))
        del file["model_weights"][name]
        file["model_weights"][name] = h5py.ExternalLink(str(secret), "kernel")


def _names(group: Any) -> list[str]:
    names: list[str] = []
    group.visit(names.append)
    return names


HOSTILE: dict[str, Callable[[Path, Path], None]] = {
    "write.saved_model": _graph(lambda marker: tf.io.write_file(str(marker), "x")),
    "print.saved_model": _graph(lambda marker: tf.print("x", output_stream=f"file://{marker}")),
    "save.saved_model": _graph(
        lambda marker: tf.raw_ops.SaveV2(
            prefix=str(marker), tensor_names=["a"], shape_and_slices=[""], tensors=[1.0]
        )
    ),
    "read.saved_model": _graph(lambda _: tf.print(tf.io.read_file("/etc/hostname"))),
    "python.saved_model": _graph(
        lambda marker: tf.py_function(lambda: _planted(marker), [], tf.int64)
    ),
    "stateless-python.saved_model": _graph(
        lambda marker: tf.numpy_function(lambda: _planted(marker), [], tf.int64, stateful=False)
    ),
    "dataset.saved_model": _graph(_dataset),
    "summary.saved_model": _graph(_summary),
    "debug.saved_model": _graph(
        lambda marker: tf.raw_ops.DebugIdentity(
            input=1.0, tensor_name="a:0", debug_urls=[f"file://{marker}"]
        )
    ),
    "called-saver.saved_model": _called_saver,
    "table-from-file.saved_model": _table_from_file,
    "text-beside.saved_model": _text_beside,
    "code.keras": _code,
    "unsafe-first.keras": _config(_unsafe_first),
    "system.keras": _config(_instead("os", "function", "system")),
    "built-in.keras": _config(_instead("builtins", "exec", {"source": "open('{marker}', 'w')"})),
    "any-class.keras": _config(_layer("subprocess", "Popen", args=["touch", "{marker}"])),
    "saved-model-layer.keras": _saved_model_layer,
    "file-of-words.keras": _config(
        _layer("keras.layers", "StringLookup", vocabulary="/etc/hostname", name="more")
    ),
    "download.keras": _config(
        _layer("keras.utils", "get_file", fname="x", origin="file://{marker}")
    ),
    "code.h5": _code,
    "linked-weights.h5": _linked_weights,
}
"""How to write each, by its name, whose end is the format: given its path and the marker's."""
