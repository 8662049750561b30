"""Trained models in ONNX: the graph that was given is what is served, with the service's names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import GraphProto, ModelProto, TensorProto, helper, numpy_helper
from onnx.compose import add_prefix
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

from service.errors import OwnerError
from service.owner import Parameters

_KINDS = {
    TensorProto.FLOAT: np.float32,
    TensorProto.FLOAT16: np.float16,
    TensorProto.DOUBLE: np.float64,
    TensorProto.UINT8: np.uint8,
}


class OnnxModel:
    """The ONNX model at *path*.

    Raises:
        OwnerError: it has not one input and one output, or its weights are not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            graph = onnx.load(path, load_external_data=False).graph
        except Exception as error:
            raise OwnerError(f'"{path}" is no ONNX model: {error}') from error
        _check_external_data(path, graph)
        weights = {each.name for each in graph.initializer}
        inputs = [each for each in graph.input if each.name not in weights]
        if len(inputs) != 1 or len(graph.output) != 1:
            given, made = (", ".join(each.name for each in part) for part in (inputs, graph.output))
            raise OwnerError(
                f'"{path}" has the inputs {given} and the outputs {made}. This service takes a '
                f"classifier: one input, the images, and one output, a score for each label."
            )
        read = inputs[0].type.tensor_type
        if read.elem_type not in _KINDS:
            name = TensorProto.DataType.Name(read.elem_type)
            raise OwnerError(f'"{path}" reads {name}; FLOAT and UINT8 are accepted.')
        self.names = inputs[0].name, graph.output[0].name
        self.kind = read.elem_type
        self.sizes = [each.dim_value or None for each in read.shape.dim]
        self.exporters: Mapping[str, Any] = {"onnx": ("model.onnx", _save)}

    @property
    def reads_bytes(self) -> bool:
        """Whether a pixel goes in as 0 to 255."""
        return bool(self.kind == TensorProto.UINT8)

    def read(self, parameters: Parameters, _label_count: int) -> "OnnxModel":
        """The model, which reads images as *parameters* say."""
        self._parameters = parameters
        self._is_channels_first = self.sizes[1] == parameters.channels
        return self

    def predict(self, images: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        session = onnxruntime.InferenceSession(self.path, providers=["CPUExecutionProvider"])
        given = images.transpose(0, 3, 1, 2) if self._is_channels_first else images
        kind = _KINDS[self.kind]
        given = (given.round() if kind is np.uint8 else given).astype(kind)
        step = self.sizes[0] or len(given)
        padded = np.resize(given, (-(-len(given) // step) * step, *given.shape[1:]))
        parts = [
            session.run(None, {self.names[0]: padded[i : i + step]})[0]
            for i in range(0, len(padded), step)
        ]
        return np.concatenate(parts)[: len(images)]

    def network(self, scores: str, *, is_single: bool) -> ModelProto:
        """The model with the service's input and output, for batches of any length."""
        model = onnx.load(self.path)
        if self.sizes[0]:
            _free_batch(model.graph, self.sizes[0])
        model = add_prefix(model, "original/")  # so that no name is the service's
        graph = model.graph
        names = [f"original/{name}" for name in self.names]
        before, last = [], "image"
        if self.kind == TensorProto.UINT8:
            before.append(helper.make_node("Round", [last], ["_rounded"]))
            last = "_rounded"
        if self.kind != TensorProto.FLOAT:
            before.append(helper.make_node("Cast", [last], ["_cast"], to=self.kind))
            last = "_cast"
        axes = [0, 3, 1, 2] if self._is_channels_first else [0, 1, 2, 3]
        before.append(helper.make_node("Transpose", [last], [names[0]], perm=axes))
        after = [helper.make_node("Cast", [names[1]], ["_float"], to=TensorProto.FLOAT)]
        if is_single:
            one = numpy_helper.from_array(np.array(1, np.float32), "_one")
            graph.initializer.append(one)
            whole = "_float" if scores == "logits" else "_one"
            after.append(helper.make_node("Sub", [whole, "_float"], ["_other"]))
            after.append(helper.make_node("Concat", ["_other", "_float"], [scores], axis=1))
        else:
            after.append(helper.make_node("Identity", ["_float"], [scores]))
        nodes = [*before, *graph.node, *after]
        del graph.node[:], graph.input[:], graph.output[:], graph.value_info[:]
        graph.node.extend(nodes)
        sizes = self._parameters
        shape: list[str | int | None] = ["batch", sizes.height, sizes.width, sizes.channels]
        graph.input.append(helper.make_tensor_value_info("image", TensorProto.FLOAT, shape))
        graph.output.append(
            helper.make_tensor_value_info(scores, TensorProto.FLOAT, ["batch", None])
        )
        if self.sizes[0]:
            self._try(model, shape[1:])
        return model

    def _try(self, model: ModelProto, shape: list[Any]) -> None:
        """Refuse a *model* that was made for a fixed batch, and takes no other."""
        images = np.zeros((1 + (self.sizes[0] or 0), *shape), np.float32)
        try:
            session = onnxruntime.InferenceSession(model.SerializeToString())
            session.run(None, {"image": images})
        except Exception as error:
            raise OwnerError(
                f'"{self.path}" was exported for batches of {self.sizes[0]}, and takes no other: '
                f"{error}. Export it again with a batch axis of any length."
            ) from error


def _save(model: ModelProto, _parameters: Any, _signature: Any, path: Path) -> None:
    onnx.save(model, path)


def _free_batch(graph: GraphProto, size: int) -> None:
    """Let shapes that begin with the batch's *size* fit any batch."""
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type != "Reshape" or node.input[1] not in weights:
            continue
        del node.attribute[:]  # allowzero: a zero is to stand for the length that there is
        tensor = weights[node.input[1]]
        shape = numpy_helper.to_array(tensor).copy()
        if len(shape) > 1 and shape[0] == size:
            shape[0] = 0 if -1 in shape else -1
            tensor.CopyFrom(numpy_helper.from_array(shape, tensor.name))


def _check_external_data(path: Path, graph: GraphProto) -> None:
    for tensor in graph.initializer:
        if not uses_external_data(tensor):
            continue
        location = ExternalDataInfo(tensor).location
        if Path(location).is_absolute() or ".." in Path(location).parts:
            raise OwnerError(f'"{path}" keeps weights in "{location}", outside of its folder.')
        if not (path.parent / location).is_file():
            raise OwnerError(
                f'"{path}" keeps its weights in "{location}", which is not beside it. Copy that '
                f"file too."
            )
