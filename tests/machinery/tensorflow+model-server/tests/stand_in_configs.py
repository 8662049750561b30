"""TensorFlow Serving's configuration files, read by the schemas that it has for them.

``tensorflow-serving-api`` carries the one for models; those for batching and monitoring are built
here (``session_bundle_config.proto``, ``monitoring_config.proto``).
"""

from pathlib import Path
from typing import Any

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)

_PACKAGE = "tensorflow.serving.stand_in"
_BOOL, _STRING = "bool", "string"
_TYPES = {
    _BOOL: descriptor_pb2.FieldDescriptorProto.TYPE_BOOL,
    _STRING: descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
}
_MESSAGES: dict[str, list[tuple[str, int, str]]] = {
    "BatchingParameters": [
        ("max_batch_size", 1, ".google.protobuf.Int64Value"),
        ("batch_timeout_micros", 2, ".google.protobuf.Int64Value"),
        ("max_enqueued_batches", 3, ".google.protobuf.Int64Value"),
        ("num_batch_threads", 4, ".google.protobuf.Int64Value"),
        ("pad_variable_length_inputs", 7, _BOOL),
    ],
    "PrometheusConfig": [("enable", 1, _BOOL), ("path", 2, _STRING)],
    "MonitoringConfig": [("prometheus_config", 1, f".{_PACKAGE}.PrometheusConfig")],
}
"""Names, numbers and types of fields."""


def batching(path: Path) -> Any:
    """The ``BatchingParameters`` in a file."""
    return text_format.Parse(path.read_text(encoding="utf-8"), _new("BatchingParameters"))


def monitoring(path: Path) -> Any:
    """The ``MonitoringConfig`` in a file."""
    return text_format.Parse(path.read_text(encoding="utf-8"), _new("MonitoringConfig"))


def _new(name: str) -> Any:
    """An empty message."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.{name}"))()


def _pool() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="stand_in.proto", package=_PACKAGE, syntax="proto3"
    )
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            added = message.field.add(name=field, number=number, label=1)
            if kind in _TYPES:
                added.type = _TYPES[kind]
            else:
                added.type_name = kind
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return pool


_POOL = _pool()
