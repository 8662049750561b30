"""What a SavedModel may hold: a graph of operators that compute, and its variables.

A SavedModel is a program: TensorFlow has operators that read and write files, open connections and
call Python, and whoever loads it runs its initializers. So the graph is read here before TensorFlow
gets it, in ``make import-model``, ``make model MODEL_FROM=...``, ``make verify`` and ``make use``
too.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from service.errors import OwnerError
from service.framework import tf  # noqa: F401 - registers the operators

_STATEFUL = re.compile(
    # variables
    r"VarHandleOp|_VarHandlesOp|VarIsInitializedOp|VariableShape|VariableV2|Variable"
    r"|_?ReadVariables?Op|Assign(Add|Sub)?VariableOp|DisableCopyOnRead|DestroyResourceOp"
    r"|Resource(Gather|GatherNd|Scatter\w+|StridedSliceAssign)|IsResourceHandleRefCounting"
    # control
    r"|StatefulPartitionedCall|If|_If|While|_While|Case|Assert|CheckNumerics(V2)?|GuaranteeConst"
    r"|TensorArray\w*|Stack\w*|Empty|TemporaryVariable|DeviceIndex"
    # chance
    r"|Random(?!Dataset)\w+|TruncatedNormal|Multinomial|Stateful\w*(Uniform|Normal|Binomial)\w*|Rng\w+"
    r"|StatelessRandomGetAlg|NonDeterministicInts"
    # tables of what is in the graph
    r"|(Anonymous)?(Mutable)?(Dense)?HashTable(OfTensors)?(V2)?|InitializeTableV2"
    r"|LookupTable(Find|Size|Insert|Import|Export|Remove)V2|CudnnRNN\w*"
)
"""Of the operators that TensorFlow calls stateful, those that touch nothing but the model."""
_STATELESS_BUT_REFUSED = re.compile(
    r".*(Dataset|File|PyFunc|Reader|Debug|Checkpoint|CustomCall|TPU|Iterator|VocabRemapping).*"
)
_CHECKPOINT = {"SaveV2", "RestoreV2", "ShardedFilename", "MergeV2Checkpoints"}
"""What TensorFlow adds to each SavedModel in two functions, which only its savers call."""


def check_saved_model(folder: Path) -> None:
    """Refuse a SavedModel that does more than compute; names the operator."""
    path = folder / "saved_model.pb"
    others = sorted(each.name for each in folder.glob("saved_model.*pb*") if each != path)
    if others:
        raise _refused(folder, f'"{others[0]}" beside "saved_model.pb"')
    document = saved_model_pb2.SavedModel()
    try:
        document.ParseFromString(path.read_bytes())
    except (OSError, DecodeError) as error:
        raise OwnerError(f'"{path}" cannot be read as a SavedModel: {error}.') from None
    for graph in document.meta_graphs:
        _check_graph(folder, graph)


def _check_graph(folder: Path, graph: Any) -> None:
    nodes, functions = graph.graph_def.node, graph.graph_def.library.function
    ends = (graph.saver_def.save_tensor_name, graph.saver_def.restore_op_name)
    savers = {_node_of(end) for end in ends if end}
    saving = {name for node in nodes if node.name in savers for name in _called(node)}
    bodies = {function.signature.name: function.node_def for function in functions}
    for name, body in {"": nodes, **bodies}.items():
        for node in body:
            if not _computes(node.op) and not (name in saving and node.op in _CHECKPOINT):
                raise _refused(folder, f'the operator "{node.op}"')
    if _elsewhere(graph, savers, {"": nodes, **bodies}) & (saving | savers):
        raise _refused(folder, "a graph that calls what saves and restores its variables")


def _elsewhere(graph: Any, savers: set[str], bodies: dict[str, Iterable[Any]]) -> set[str]:
    """The functions that others than *savers* call, and the nodes whose outputs they use."""
    used = set(graph.object_graph_def.concrete_functions)
    for signature in graph.signature_def.values():
        used |= {_node_of(tensor.name) for tensor in signature.outputs.values()}
    for name, body in bodies.items():
        for node in body:
            if name or node.name not in savers:
                used.update(_called(node))
            if not name:
                used |= {_node_of(each) for each in node.input}
    return used


def _node_of(tensor: str) -> str:
    """The node that *tensor* or a control input names."""
    return tensor.lstrip("^").partition(":")[0]


def _called(node: Any) -> Iterator[str]:
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        yield from (each.name for each in value.list.func)


def _computes(operator: str) -> bool:
    """Whether *operator* is known, and touches nothing outside of the model."""
    known = op_def_registry.get(operator)
    if known is None:
        return False
    if known.is_stateful:
        return _STATEFUL.fullmatch(operator) is not None
    return _STATELESS_BUT_REFUSED.fullmatch(operator) is None


def _refused(folder: Path, what: str) -> OwnerError:
    return OwnerError(
        f'"{folder}" was refused, and nothing of it was run: it holds {what}. Accepted are '
        "operators that only compute. Export the network alone, without reading or writing files, "
        "Python functions and data sets."
    )
